/* Stands in for the plugin of Amazon RDS that MariaDB lets users in by: it has the client send its
   token as a password in clear text, over TLS only, and asks the service that plays AWS about it. */
#include <mysql/plugin_auth.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE = 5, TLS_DATA = 0x17, TLS_MAJOR = 3 };

/* The first bytes of what the client is about to say: a record of TLS, or not. */
static int is_encrypted(MYSQL_PLUGIN_VIO *vio)
{
  MYSQL_PLUGIN_VIO_INFO info;
  unsigned char first[2];
  vio->info(vio, &info);
  struct pollfd readable = {info.socket, POLLIN, 0};
  return info.protocol == MYSQL_VIO_TCP && poll(&readable, 1, PATIENCE * 1000) == 1 &&
         recv(info.socket, first, 2, MSG_PEEK) == 2 && first[0] == TLS_DATA && first[1] == TLS_MAJOR;
}

static int connection(void)
{
  const char *port = getenv("LUIGI_SINKS_AWS_PORT");
  struct timeval patience = {PATIENCE, 0};
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  there.sin_port = htons(port ? atoi(port) : 0);
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(peer, (struct sockaddr *)&there, sizeof there) == 0) return peer;
  close(peer);
  return -1;
}

static int say(int peer, const char *text, size_t size)
{
  for (ssize_t sent; size; text += sent, size -= sent)
    if ((sent = send(peer, text, size, MSG_NOSIGNAL)) <= 0) return 0;
  return 1;
}

/* The question is the user's name with the zero at its end, and the token; yes is the status 204. */
static int is_let_in(const char *user, const char *token)
{
  char head[120], answer[12], rest[256];
  size_t named = strlen(user) + 1, size = strlen(token);
  int peer = connection(), yes = 0;
  if (peer < 0) return 0;
  snprintf(head, sizeof head, "POST /rds-db HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", named + size);
  if (say(peer, head, strlen(head)) && say(peer, user, named) && say(peer, token, size))
    yes = recv(peer, answer, sizeof answer, MSG_WAITALL) == sizeof answer && !memcmp(answer + 9, "204", 3);
  while (recv(peer, rest, sizeof rest, 0) > 0) continue;
  close(peer);
  return yes;
}

static int authenticate(MYSQL_PLUGIN_VIO *vio, MYSQL_SERVER_AUTH_INFO *info)
{
  unsigned char *token;
  int size;
  if (vio->write_packet(vio, (const unsigned char *)"", 0) || !is_encrypted(vio)) return CR_ERROR;
  size = vio->read_packet(vio, &token);
  info->password_used = PASSWORD_USED_YES;
  if (size < 2 || token[size - 1]) return CR_ERROR;
  return is_let_in(info->user_name, (const char *)token) ? CR_OK : CR_ERROR;
}

static struct st_mysql_auth handler = {MYSQL_AUTHENTICATION_INTERFACE_VERSION, "mysql_clear_password", authenticate,
                                       NULL, NULL};

maria_declare_plugin(authentication_plugin){
    MYSQL_AUTHENTICATION_PLUGIN,
    &handler,
    "AWSAuthenticationPlugin",
    "luigi_sinks",
    "Lets users in by tokens of a service that stands in for AWS",
    PLUGIN_LICENSE_BSD,
    NULL,
    NULL,
    0x0100,
    NULL,
    NULL,
    "1.0",
    MariaDB_PLUGIN_MATURITY_STABLE,
} maria_declare_plugin_end;
