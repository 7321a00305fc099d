"""What each kind of role may ask of Amazon OpenSearch Service, as IAM policies.

A policy knows the method of a request and its path, and nothing of its query and body.
So each path that a sink asks for is allowed by its method, and what a body can do
beyond its path has to be closed by a setting of the domain, or is a limitation, see
docs/owners-and-grants.md. In a path `*` stands for any text, slashes and commas too:
without the denials, `POST flights~*~v*/_search` would also be a search of
`flights~,others,~v`, and `PUT flights~*~v...` a document of any index of the dataset.

https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from luigi_sinks import config, owners
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.grants import Granted, create, iam_user
from luigi_sinks.elasticsearch.marks import ElasticsearchMarks
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import NoRoles
from luigi_sinks.hcl import Code, block, escaped, label
from luigi_sinks.role_kind import RoleKind
from luigi_sinks.version import Version

__all__ = ["FORMAT", "HEADING", "conditions", "create", "iam_user", "rights", "roles", "terraform", "text"]

FORMAT = "iam"
"""What `luigi-sinks grants` calls the language of roles."""

HEADING = "# OpenSearch at {}: IAM policies, and the settings of the domain that they rely on"
"""What is printed above those of a server."""

Paths = Mapping[str, Sequence[str]]
"""Patterns of paths by the method of requests."""

_ID = "v????????t??????_??????"
"""The id of a version: a pattern that ends in it ends where the name of an index does."""

_TEMPLATES = ("_component_template", "_index_template", "_template")
"""To see which template made an index otherwise than asked."""

_LIST = "*~registry/_alias"
"""To list the datasets."""

_LOADING: Paths = {
    "Get": (
        *("{dataset},{registry}", "{registry}/_doc/*", "{registry}/_mapping"),
        *("{dataset}~*/_alias", "_cluster/health/{version}", _LIST),
    ),
    "Post": (
        # Notes of the parts under way are deleted when they have arrived.
        *("{registry}/_bulk", "{registry}/_refresh", "{registry}/_search"),
        *("{versions}/_count", "{versions}/_refresh", "{versions}/_search"),
        *("{versions}~staged/_bulk", "{versions}~staged/_mget"),
    ),
    "Put": ("{registry}/_create/*", "{registry}/_doc/*"),
}
_PUBLISHING: Paths = {
    "Get": (*_TEMPLATES, "{version}", "{dataset}~*/_alias"),
    "Post": ("_aliases",),
    "Put": ("{version}", "{versions}/_block/write", "{versions}/_settings"),
}
_OTHERS: Mapping[RoleKind, Paths] = {
    RoleKind.OWNER: {
        "Get": (*_TEMPLATES, "{dataset},{registry}", "{registry}", "{versions}/_mapping", _LIST),
        "Post": ("{registry}/_bulk", "{registry}/_search"),
        "Put": ("{registry}", "{registry}/_mapping"),
    },
    RoleKind.PRUNER: {
        "Get": ("{registry}/_mapping", "{dataset}~*/_alias", _LIST),
        "Post": ("_aliases", "{registry}/_bulk", "{registry}/_refresh", "{registry}/_search"),
        "Put": ("{registry}/_doc/*",),
        "Delete": ("{version}",),
    },
}
_APART = {**_OTHERS, RoleKind.LOADER: _LOADING, RoleKind.PUBLISHER: _PUBLISHING}
_TOGETHER = {
    **_OTHERS,
    RoleKind.LOADER: {
        method: (*_LOADING[method], *(path for path in _PUBLISHING[method] if path not in _LOADING[method]))
        for method in _LOADING
    },
}

_OF_MARKS: Mapping[RoleKind, Paths] = {
    RoleKind.OWNER: {"Get": (*_TEMPLATES, "{marks}"), "Put": ("{marks}",)},
    RoleKind.LOADER: {"Get": ("{marks}",), "Post": ("{marks}/_bulk", "{marks}/_mget")},
}

_ALL_BUT_GET = ("Delete", "Head", "Patch", "Post", "Put")
_SEVERAL = ("*,*", "*%2C*", "*%2c*")
"""Paths that name several indices; only those of GET do so here, which show names and definitions."""

_INSIDE = ("alias", "bulk", "clone", "create", "doc", "mapping", "shrink", "split", "update")
"""What PUT could do to an index, besides creating it and changing its settings and blocks."""

_DENIED: Mapping[RoleKind, Paths] = {
    RoleKind.PUBLISHER: {"Put": tuple(f"*/_{each}*" for each in _INSIDE)},
    RoleKind.PRUNER: {"Delete": ("*/*",)},
}

_EXPLICIT, _CREATED = "rest.action.multi.allow_explicit_index", "action.auto_create_index"
_NEVER = "-*~*"
"""Indices that no document creates: a bulk request may leave out its `require_alias`."""

_SETTINGS = {
    "AdvancedOptions": {_EXPLICIT: "false"},
    "_cluster/settings": {"persistent": {_CREATED: f"{_NEVER},+*"}},
}
"""What must be set, by how: as options of the domain, and by a call to the cluster."""

_ENDPOINT = re.compile(
    r"(?:search|vpc)-(?P<name>[a-z][a-z0-9-]{2,27})-[a-z0-9]{26}\.(?:aos\.)?(?P<region>[a-z]{2}-[a-z-]+-\d+)"
    r"\.(?:es\.amazonaws\.com|on\.aws)(?:\.cn)?"
)
_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
_REGION, _ACCOUNT, _DOMAIN = "REGION", "ACCOUNT", "DOMAIN"
_LENGTHS = {_REGION: 14, _ACCOUNT: 12, _DOMAIN: 28}
"""What stands for things that luigi.cfg does not say, and how long these can be."""

_SIZE = 6_144
"""Characters of a managed policy, without white space."""


@dataclass(frozen=True)
class Role:
    """The policies of one kind of role, by their names: several where one would be too long.

    `domain` is the ARN of the domain, `server` where it is reached, and `aws_role` the
    ARN of the role in AWS that luigi.cfg names for those who sign with these policies, if it names one.
    """

    name: str
    kind: RoleKind
    policies: Mapping[str, Mapping[str, Any]]
    domain: str
    server: str
    aws_role: str = ""

    @property
    def variable(self) -> str:
        """What Terraform calls the ARN of the domain."""
        *_, region, _, name = self.domain.split(":")
        known = f"{name.removeprefix('domain/')}_{region}"
        return label(f"opensearch_{self.server if _DOMAIN in known else known}")

    @property
    def rights(self) -> frozenset[str]:
        """What is allowed, one by one."""
        return frozenset(
            f"{statement['Action']} on {resource}"
            for policy in self.policies.values()
            for statement in policy["Statement"]
            if statement["Effect"] == "Allow"
            for resource in statement["Resource"]
        )


def roles(sinks: Iterable[Granted], name: str) -> list[Role]:
    """Return the roles for the datasets of one domain. Raises NoRoles where these are no matter of IAM."""
    sinks = sorted(sinks, key=lambda sink: sink.dataset)
    for sink in sinks:
        _refuse_others(sink)
    settings, found = sinks[0].settings, list[Role]()
    for kind in RoleKind:
        asking = [sink for sink in sinks if kind in _paths(sink)]
        policies = {
            kind.role(name) + (f"_{number}" if number > 1 else ""): policy
            for number, policy in enumerate(_policies(kind, asking, domain(settings)), 1)
        }
        if policies:
            aws_role = _aws_role(settings) if kind is RoleKind.LOADER else ""
            found.append(Role(kind.role(name), kind, policies, domain(settings), settings.address, aws_role))
    return found


def text(roles: Iterable[Role]) -> str:
    """Return the policies, and the settings of the domain, as JSON."""
    policies = {name: policy for role in roles for name, policy in role.policies.items()}
    body = {"policies": dict(sorted(policies.items())), "domain": _SETTINGS}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def terraform(roles: Iterable[Role]) -> Iterator[str]:
    """Yield the policies as blocks of Terraform, for the provider hashicorp/aws."""
    roles = list(roles)
    for variable, role in {role.variable: role for role in roles}.items():
        about = {"type": Code("string"), "description": f"The domain at {role.server}: {role.domain}"}
        yield "\n".join([*_comment(), block("variable", (variable,), about)])
    for role in roles:
        for name, policy in role.policies.items():
            yield _policy(role, name, policy)
            if role.aws_role:
                attached = {
                    "role": Code(f"aws_iam_role.{label(role.aws_role.rpartition('/')[2])}.name"),
                    "policy_arn": Code(f"aws_iam_policy.{label(name)}.arn"),
                }
                yield block("resource", ("aws_iam_role_policy_attachment", label(name)), attached)


def rights(settings: ElasticsearchSettings, role: str) -> frozenset[str]:
    """Refuse: the policies are kept by IAM, and not by the domain."""
    raise NoRoles(
        f"{settings.where}: the policies of {role!r} are not compared; IAM keeps them, and the domain does not show "
        "them. See `aws iam get-policy-version`, and `aws iam simulate-principal-policy` for what they add up to"
    )


def conditions(settings: ElasticsearchSettings) -> Iterator[tuple[str, str]]:
    """Yield `-` and the name of each setting that the domain does not have, without which policies are circumvented."""
    found = ask(settings, lambda es: es.cluster.get_settings(include_defaults=True, flat_settings=True))
    known = {**found.get("defaults", {}), **found["persistent"], **found["transient"]}
    if str(known.get(_EXPLICIT)).lower() != "false":
        yield "-", f"{_EXPLICIT} = false"
    created = known.get(_CREATED)
    listed = ",".join(created) if isinstance(created, list) else str(created).lower()
    if listed != "false" and listed.split(",")[0].strip() != _NEVER:
        yield "-", f"{_CREATED} = {_NEVER},+*"


def domain(settings: ElasticsearchSettings) -> str:
    """Return the ARN of the domain, with words in capitals for what luigi.cfg does not say, as always the account."""
    found = _ENDPOINT.fullmatch(settings.tls_server_name or settings.host)
    region = found["region"] if found else config.read_credential(settings.credential).get("region", _REGION)
    partition = next((each for start, each in _PARTITIONS.items() if region.startswith(f"{start}-")), "aws")
    return f"arn:{partition}:es:{region}:{_ACCOUNT}:domain/{found['name'] if found else _DOMAIN}"


def _refuse_others(sink: Granted) -> None:
    credential = config.read_credential(sink.settings.credential)
    source, service = credential.get("source", ""), credential.get("service", "es")
    if source != "sigv4":
        raise NoRoles(
            f"{sink.dataset}: policies of OpenSearch are for signed requests (source = sigv4), and credential "
            f"{sink.settings.credential!r} has source = {source}; write the security plugin's roles by hand"
        )
    if service != "es":
        raise NoRoles(
            f"{sink.dataset}: policies of OpenSearch are for Amazon OpenSearch Service (service = es), and service = "
            f"{service}; the data access policies of OpenSearch Serverless know no paths, so write those by hand"
        )
    if quote(sink.dataset) != sink.dataset:
        raise NoRoles(
            f"{sink.dataset}: AWS does not say how a policy matches a character that a URL encodes; use a-z, 0-9, -, _ "
            "and . only in the name, or write its policies by hand"
        )


def _aws_role(settings: ElasticsearchSettings) -> str:
    """Return the role of the owner in AWS, if the credential assumes one."""
    is_assumed = config.read_credential(settings.credential).get("through", "")
    return owners.find(settings.owner).aws_role if is_assumed else ""


def _paths(sink: Granted) -> Mapping[RoleKind, Paths]:
    if isinstance(sink, ElasticsearchMarks):
        return _OF_MARKS
    return _APART if sink.settings.publish_credential else _TOGETHER


def _policies(kind: RoleKind, sinks: Sequence[Granted], domain: str) -> Iterator[dict[str, Any]]:
    """Yield policies that are short enough for IAM, with as many datasets as possible in each."""
    first, longest = 0, f"{domain}/"
    for word, length in _LENGTHS.items():
        longest = longest.replace(word, "x" * length)
    for last in range(1, len(sinks) + 1):
        size = len(msgspec.json.encode(_document(kind, sinks[first : last + 1], longest)))
        if last == len(sinks) or size > _SIZE:
            yield _document(kind, sinks[first:last], f"{domain}/")
            first = last


def _document(kind: RoleKind, sinks: Iterable[Granted], place: str) -> dict[str, Any]:
    allowed: dict[str, dict[str, None]] = {}
    for sink in sinks:
        words = {
            "dataset": sink.dataset,
            "registry": names.registry(sink.dataset),
            "marks": names.marks(sink.dataset),
            "version": names.index(Version(sink.dataset, "*", _ID)),
            "versions": names.index(Version(sink.dataset, "*", "v*")),
        }
        for method, paths in _paths(sink)[kind].items():
            allowed.setdefault(method, {}).update(dict.fromkeys(path.format(**words) for path in paths))
    statements = [
        *(_statement("Allow", [method], paths, place) for method, paths in allowed.items()),
        _statement("Deny", _ALL_BUT_GET, _SEVERAL, place),
        *(_statement("Deny", [method], paths, place) for method, paths in _DENIED.get(kind, {}).items()),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(effect: str, methods: Sequence[str], paths: Iterable[str], place: str) -> dict[str, Any]:
    actions = [f"es:ESHttp{method}" for method in methods]
    action = actions[0] if len(actions) == 1 else actions
    return {"Effect": effect, "Action": action, "Resource": [f"{place}{path}" for path in sorted(paths)]}


def _comment() -> Iterator[str]:
    """Yield what the resource of the domain itself must have."""
    yield f'# The domain needs advanced_options = {{ "{_EXPLICIT}" = "false" }}, and'
    yield f"# PUT _cluster/settings {msgspec.json.encode(_SETTINGS['_cluster/settings']).decode()}"


def _policy(role: Role, name: str, policy: Mapping[str, Any]) -> str:
    """Write a policy as `terraform fmt` would leave it."""
    lines = [
        f'resource "aws_iam_policy" "{label(name)}" {{',
        f'  name = "{escaped(name)}"',
        "",
        "  policy = jsonencode({",
        f'    Version = "{policy["Version"]}"',
        "    Statement = [",
    ]
    for statement in policy["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        lines += ["      {", f'        Effect = "{statement["Effect"]}"', "        Action = ["]
        lines += [f'          "{action}",' for action in actions]
        lines += ["        ]", "        Resource = ["]
        for resource in statement["Resource"]:
            path = escaped(resource.removeprefix(role.domain))
            lines.append(f'          "${{var.{role.variable}}}{path}",')
        lines += ["        ]", "      },"]
    return "\n".join([*lines, "    ]", "  })", "}"])
