# Two commands do everything: `make demo` and `make test`. `make help` lists the others.

PYTHON ?= python3
SINKS ?= servers
VENV := .venv
RUN := $(VENV)/bin/python
SERVERS := $(RUN) -m luigi_sinks.testing.servers
SPARK := $(VENV)-spark
PINNED := --quiet --no-compile --constraint constraints.txt --build-constraint constraints.txt --editable
PIP := $(VENV)/bin/pip install $(PINNED)
OLDEST := mariadb==1.1.14 elasticsearch==8.19.0 elastic-transport==8.15.1
OF_OLDEST := tests/unit/mariadb tests/unit/elasticsearch tests/integration/mariadb tests/integration/elasticsearch \
	tests/integration/test_memory.py
AS_ROOT := $(shell test `id -u` = 0 || echo sudo)
INSTALL := $(AS_ROOT) apt-get update -qq && $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive \
	apt-get install -qq --no-install-recommends

# The demonstration's servers start while what it imports is installed.
MAKEFLAGS += --jobs=2
# Modules are compiled when one is first imported, for all the processes that import it later.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo start test faults airflow spark older unit check bench up down purge clean server-packages \
	proxy-packages browser-packages airflow-environment java-packages

help:  ## list these targets
	@sed -n 's/^\([a-z][a-z -]*\):.*  ## /\1:/p' $(MAKEFILE_LIST) | while IFS=: read -r names text; do printf '%-10s %s\n' "$$names" "$$text"; done

demo: $(VENV)/example $(if $(filter servers,$(SINKS)),start)  ## load the flights into three stores, and show what is safe about it
	$(RUN) examples/flights/demo.py --sinks $(SINKS)

start: $(VENV)/servers  ## start the servers of the demo, which log in by tokens
	$(SERVERS) install --passwordless
	$(SERVERS) up --passwordless

test: $(VENV)/ready airflow-environment $(SPARK)/ready server-packages proxy-packages browser-packages java-packages  ## the whole suite, on real servers
	$(RUN) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

faults: export LUIGI_SINKS_KILLS = every
faults: export LUIGI_SINKS_ROUND_TRIPS = 10
faults: $(VENV)/ready server-packages  ## kill loads at each of their requests, and whatever else breaks; takes long
	$(RUN) -m pytest -n 4 tests/faults tests/unit/test_round_trips.py tests/integration/test_round_trips.py \
		tests/integration/test_memory.py

# Driver 1.1.14 may end a process in Python's garbage collector, whatever that runs: what failed with it runs once more.
older: $(VENV)/ready server-packages  ## the tests of MariaDB and Elasticsearch with the oldest clients that are accepted
	@command -v mariadb_config >/dev/null && command -v gcc >/dev/null \
	&& $(RUN) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null \
	|| { $(INSTALL) libmariadb-dev gcc libc6-dev python3-dev; }
	$(VENV)/bin/pip install --quiet --upgrade --no-deps --target $(VENV)/older $(OLDEST)
	export PYTHONPATH=$(abspath $(VENV)/older); $(RUN) -m pytest -n 4 --dist loadfile $(OF_OLDEST) \
	|| $(RUN) -m pytest --last-failed --last-failed-no-failures none $(OF_OLDEST)

airflow: export LUIGI_SINKS_AIRFLOW_RUNS = 200
airflow: airflow-environment server-packages  ## the tests of Airflow, with 200 task runs; takes ten minutes
	$(RUN) -m pytest tests/integration/airflow

spark: export LUIGI_SINKS_SPARK = every
spark: $(VENV)/ready $(SPARK)/ready server-packages java-packages  ## frames of Spark into each store, with each fault; takes long
	$(RUN) -m pytest tests/integration/spark

unit: $(VENV)/ready  ## the tests that need no server
	$(RUN) -m pytest tests/unit

check: $(VENV)/ready  ## style, types, and which way the imports point
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy luigi_sinks luigi_sinks_airflow examples/flights tests/typing
	$(VENV)/bin/pyright --pythonpath $(RUN)
	$(VENV)/bin/lint-imports

bench: export LUIGI_SINKS_SERVERS_JVM = tuned
bench: $(VENV)/ready $(SPARK)/ready server-packages browser-packages java-packages  ## rows a second, beside the stores' own bulk tools and the usual Python ways; CASE=mariadb ROWS=100000 for some
	$(SERVERS) down
	$(RUN) -m benchmarks $(CASE)
	test -n "$(CASE)" || $(SPARK)/bin/python benchmarks/spark.py
	test -n "$(CASE)" || { $(RUN) benchmarks/openlineage.py && $(RUN) benchmarks/page.py; }
	$(SERVERS) down

up: $(VENV)/servers  ## start the servers
	$(SERVERS) install
	$(SERVERS) up

down: $(VENV)/servers  ## stop the servers
	$(SERVERS) down

purge: $(VENV)/servers  ## stop the servers and remove their data
	$(SERVERS) down --purge
	rm -rf var

clean:  ## remove the virtual environments and what the demonstration has written
	rm -rf $(VENV) $(SPARK) var

# pip would compile all modules, of which few are ever imported.
$(VENV)/servers: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	|| { test `id -u` = 0 && $(INSTALL) python3-venv; } \
	|| { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv, or make PYTHON=ANOTHER_PYTHON" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip  # Python 3.11's own takes twice as long
	$(PIP) '.[servers]'
	touch $@

$(VENV)/example: $(VENV)/servers
	$(PIP) '.[example,servers]'
	touch $@

$(VENV)/ready: $(VENV)/example
	$(PIP) '.[dev]'
	touch $@

# Airflow has some hundred and fifty packages, and an environment of its own.
airflow-environment: $(VENV)/ready
	$(RUN) tests/airflow_environment.py

# Spark is larger than all the rest, and gets an environment of its own, as in a cluster.
$(SPARK)/ready: pyproject.toml constraints.txt | $(VENV)/servers
	$(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/pip install --quiet --upgrade pip
	$(SPARK)/bin/pip install $(PINNED) '.[mariadb-wheel,elasticsearch,neo4j,servers,spark]'
	touch $@

# What all servers run on, and what MariaDB's plugin for logins by tokens is compiled with.
server-packages: $(VENV)/servers
	$(SERVERS) install --passwordless opensearch

# The proxies that tests put before the servers. Of Apache it is the program only, without the package of its service.
proxy-packages: server-packages
	@test -e /usr/lib/apache2/modules/mod_auth_openidc.so && test -e /usr/bin/stunnel4 \
	|| { $(INSTALL) apache2-bin libapache2-mod-auth-openidc stunnel4; } \
	|| echo "without apache2-bin, libapache2-mod-auth-openidc and stunnel4 the tests of proxies fail"

# What the page of lineage is tested in. After the proxies, as two installations at once would wait for each other.
browser-packages: proxy-packages
	@test -n "$$CHROMIUM" \
	|| { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	|| { $(INSTALL) chromium; } \
	|| echo "without chromium, or CHROMIUM = the path of one, the tests of lineage's page fail"

# What Spark runs on, where servers are containers and need none.
java-packages: browser-packages
	@$(RUN) -c 'from luigi_sinks.testing.servers import java, needs; needs.install(java.missing("Spark", 17))'
