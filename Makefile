# Two commands do everything: `make demo` and `make test`.

PYTHON ?= python3
SINKS ?= servers
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(VENV)/bin/pip install --quiet --no-compile --constraint constraints.txt --no-build-isolation --editable
AS_ROOT := $(shell test `id -u` = 0 || echo sudo)
INSTALL := $(AS_ROOT) apt-get update -qq && $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive \
	apt-get install -qq --no-install-recommends

# The demonstration's servers start while what it imports is installed.
MAKEFLAGS += --jobs=2
# Modules are compiled when one is first imported, for all the processes that import it later.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo start test unit check bench up down purge clean system-packages proxy-packages

demo: $(VENV)/example $(if $(filter servers,$(SINKS)),start)  ## load the flights into three stores, and show what is safe about it
	$(RUN) examples/flights/demo.py --sinks $(SINKS)

start: $(VENV)/servers
	$(RUN) -m luigi_sinks.testing.servers up --passwordless

test: $(VENV)/ready proxy-packages  ## the whole suite, on real servers
	$(RUN) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

unit: $(VENV)/ready  ## the tests that need no server
	$(RUN) -m pytest tests/unit

check: $(VENV)/ready  ## style, types, and which way the imports point
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy luigi_sinks examples/flights tests/typing
	$(VENV)/bin/pyright
	$(VENV)/bin/lint-imports

bench: export LUIGI_SINKS_SERVERS_JVM = tuned
bench: $(VENV)/ready  ## rows a second, beside the stores' own bulk tools and the usual Python ways
	$(RUN) -m luigi_sinks.testing.servers down
	for store in mariadb elasticsearch neo4j; do $(RUN) benchmarks/$$store.py || exit 1; done
	$(RUN) -m luigi_sinks.testing.servers down

up down: $(VENV)/example  ## start or stop the servers
	$(RUN) -m luigi_sinks.testing.servers $@

purge: $(VENV)/example  ## stop the servers and remove their data
	$(RUN) -m luigi_sinks.testing.servers down --purge
	rm -rf var

clean:
	rm -rf $(VENV) var

# pip would compile all modules, of which few are ever imported.
$(VENV)/servers: pyproject.toml constraints.txt | system-packages
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip hatchling editables  # Python 3.11's own pip takes twice as long
	$(PIP) '.[servers]'
	touch $@

$(VENV)/example: $(VENV)/servers
	$(PIP) '.[example,servers]'
	touch $@

$(VENV)/ready: $(VENV)/example
	$(PIP) '.[dev]'
	touch $@

# MariaDB's server, what its Python driver is built with, and what its plugin for logins by tokens is compiled with.
system-packages:
	@command -v mariadbd >/dev/null && command -v mariadb_config >/dev/null && command -v gcc >/dev/null \
	&& $(PYTHON) -c 'import ensurepip, os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null \
	|| { $(INSTALL) mariadb-server libmariadb-dev gcc libc6-dev python3-dev python3-venv; }
	@test -e /usr/include/mariadb/server/mysql/plugin_auth.h \
	|| { $(INSTALL) libmariadbd-dev; } \
	|| echo "without libmariadbd-dev there are no logins to MariaDB by tokens"

# The proxies that tests put before the servers. Of Apache it is the program only, without the package of its service.
proxy-packages: $(VENV)/servers
	@test -e /usr/lib/apache2/modules/mod_auth_openidc.so && test -e /usr/bin/stunnel4 \
	|| { $(INSTALL) apache2-bin libapache2-mod-auth-openidc stunnel4; } \
	|| echo "without apache2-bin, libapache2-mod-auth-openidc and stunnel4 the tests of proxies fail"
