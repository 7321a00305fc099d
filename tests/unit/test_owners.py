import pytest

from luigi_sinks import owners
from luigi_sinks.errors import BadSetting
from luigi_sinks.owners import Owner

ROLE = "arn:aws:iam::123456789012:role/ops"


def test_an_owner_has_a_role_in_aws_and_one_in_each_store(luigi_cfg):
    luigi_cfg(f"[luigi_sinks.owner.ops]\naws_role = {ROLE}\nmariadb_role = loaders\nneo4j_role = graph\n")
    assert owners.find("ops") == Owner(ROLE, {"mariadb": "loaders", "neo4j": "graph"})


def test_an_owner_has_no_roles_where_the_configuration_names_none():
    assert owners.find("ops") == owners.find("") == Owner()


def test_an_owner_that_is_not_configured_is_refused_where_others_are(luigi_cfg):
    luigi_cfg("[luigi_sinks.owner.ops]\nmariadb_role = loaders\n")
    with pytest.raises(BadSetting, match=r"no section \[luigi_sinks.owner.osp\] in luigi.cfg; did you mean 'ops'"):
        owners.find("osp")


def test_a_role_of_a_store_that_nobody_registered_is_refused(luigi_cfg):
    luigi_cfg("[luigi_sinks.owner.ops]\nmaria_role = loaders\n")
    with pytest.raises(BadSetting, match="'maria_role' is not a setting; did you mean 'mariadb_role'"):
        owners.find("ops")
