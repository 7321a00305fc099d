"""What this package uses of Airflow."""

from luigi_sinks.errors import NotInstalled

try:
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
    from airflow.providers.common.compat.sdk import KeywordParameters
    from airflow.sdk import Asset, BaseHook, BaseOperator, Context, get_current_context
except ImportError as missing:
    raise NotInstalled("airflow", missing) from missing

__all__ = [
    "Asset",
    "BaseHook",
    "BaseOperator",
    "Context",
    "KeywordParameters",
    "get_current_context",
    "get_hook_lineage_collector",
]
