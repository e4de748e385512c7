# Every target installs what it misses, then does its work: Debian packages, the engine's virtual environment
# and, on top of it, the tools of development. Stamps make the second time free.
BUILD ?= build
# QGIS's own Python.
PYTHON ?= /usr/bin/python3
# Which folders of tests/ to run, and more arguments for pytest: make test SUITES=core ARGS="-k grid"
SUITES ?= core qgis gui end_to_end
ARGS ?=
# Debian's suites that make compat tests in.
TREES ?= trixie sid
# Of make firsthour: the Debian suite whose QGIS is used (empty: the installed one), the language of its windows, and the
# engine's Python (empty: it is installed, as by a user, with 0.4 GB to download).
QGIS ?=
LOCALE ?= en
FIRSTHOUR_ENGINE ?= $(ENGINE)
# Of make campaign: interrupted runs, the seed of its choices, and runs at the same time.
N ?= 500
SEED ?= 1
JOBS ?= 2

TREE := $(BUILD)/tree
VENV := $(BUILD)/venv
ENGINE := $(VENV)/bin/python
DOCS_VENV := $(BUILD)/docs-venv
INSTALLER := core/installation.py $(patsubst %,core/machine/%.py,installing extras interpreters programs) $(wildcard core/machine/constraints/*.txt)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint install package compat firsthour firsthour-here campaign bench docs site pictures translate clean tree

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/engine.stamp tree ## Make example data, train two networks on them, serve them with qgis_process, save a PNG
	.ci/demo $(BUILD)

test: $(VENV)/tools.stamp $(if $(filter core,$(SUITES)),$(BUILD)/pyqt6) tree ## Run all tests (SUITES=core ARGS="-k grid" for some)
	$(PYTHON) .ci/test.py --build $(BUILD) --engine $(ENGINE) $(SUITES) -- $(ARGS)

lint: $(VENV)/tools.stamp tree package ## Check format, types and what the QGIS plugin repository checks
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/bandit --quiet --recursive --skip B404 $(BUILD)/package
	find $(BUILD)/package -type f -print0 | xargs -0 $(VENV)/bin/detect-secrets-hook --no-verify
	$(VENV)/bin/flake8 --isolated --max-line-length 130 --extend-ignore E203,E701,E704 --exclude help $(BUILD)/package

install: $(BUILD)/system.stamp site ## Install the plugin into the QGIS profile and enable it (honours QGIS_CUSTOM_CONFIG_PATH)
	$(PYTHON) .ci/install.py --build $(BUILD)

package: $(BUILD)/system.stamp site ## Make dist/otbtf_qgis.zip as plugins.qgis.org takes it
	$(PYTHON) .ci/package.py --build $(BUILD)

compat: ## Run the tests with QGIS in trees of Debian 13 (QGIS 3.40) and sid (3.44 or later); TREES=sid for one
	@failed=; for suite in $(TREES); do \
	    printf '\n======== %s\n' $$suite; \
	    .ci/compat $(BUILD)/compat $$suite test SUITES="qgis gui end_to_end" ARGS="$(ARGS)" || failed="$$failed $$suite"; \
	done; if [ -n "$$failed" ]; then echo "Not passed in:$$failed"; exit 1; fi

firsthour: package ## Try the zip by clicks in a new profile, with pictures (QGIS=trixie LOCALE=fr ARGS=--dialogs)
ifneq ($(QGIS),)
	.ci/compat $(BUILD)/compat $(QGIS) firsthour-here LOCALE=$(LOCALE) ARGS="$(ARGS)"
else
	$(MAKE) firsthour-here
endif

firsthour-here: $(if $(FIRSTHOUR_ENGINE),$(VENV)/engine.stamp)
	$(PYTHON) .ci/firsthour.py --build $(BUILD) --locale $(LOCALE) $(if $(FIRSTHOUR_ENGINE),--engine $(FIRSTHOUR_ENGINE)) $(ARGS)

campaign: $(VENV)/tools.stamp tree ## Kill N=500 runs at random moments, damage inputs, and count what that harms (SEED, JOBS)
	PYTHONPATH=$(TREE):.ci:tests/support $(ENGINE) tests/campaign --kills $(N) --seed $(SEED) --jobs $(JOBS)

bench: $(VENV)/engine.stamp tree ## Measure speed and memory
	PYTHONPATH=$(TREE):tests/core/support:tests/support $(ENGINE) tests/bench $(ARGS)

docs: $(VENV)/tools.stamp tree ## Write docs/api and docs/algorithms from the code, and build the site build/docs/html
	PYTHONPATH=$(TREE) $(ENGINE) docs/make_api.py
	$(MAKE) site

# The pages as they are, which takes seconds; a broken link is an error.
site: $(DOCS_VENV)/stamp
	$(DOCS_VENV)/bin/python .ci/docsite.py --build $(BUILD)

pictures: $(VENV)/tools.stamp tree ## Make the documentation's pictures of dialogs and maps, in QGIS under Xvfb (ARGS="map" for some)
	$(ENGINE) .ci/pictures.py --build $(BUILD) $(ARGS)

translate: $(BUILD)/system.stamp tree ## Take over into resources/i18n what the sources say now
	PYTHONPATH=$(TREE) $(PYTHON) .ci/translations.py --build $(BUILD)

clean: ## Remove what the targets made, the virtual environment included
	@[ ! -e $(BUILD)/compat ] || [ "$$(id -u)" -eq 0 ] || sudo rm -rf $(BUILD)/compat
	rm -rf $(BUILD) dist

tree: $(BUILD)/system.stamp
	@$(PYTHON) .ci/tree.py $(TREE) >/dev/null

$(BUILD)/system.stamp: .ci/apt
	.ci/apt $(PYTHON)
	@mkdir -p $(@D) && touch $@

# The engine as a user gets it, made by the plugin's own installer; the stamp lies inside, and goes with it.
# (From the tree: the folder otbtf_qgis here is only a part of the package of that name, and would hide it.)
$(VENV)/engine.stamp: $(INSTALLER) | $(BUILD)/system.stamp tree
	cd $(TREE) && $(PYTHON) -m otbtf_qgis.core.installation $(abspath $(VENV))
	@touch $@

# Dependency groups need pip 25.1.
$(VENV)/tools.stamp: pyproject.toml $(VENV)/engine.stamp
	$(ENGINE) -m pip install --quiet "pip>=25.1"
	# NumPy stays as the engine has it, which fits GDAL's bindings: else a tool's dependency may raise it.
	$(ENGINE) -m pip install --quiet --group dev "numpy==$$($(ENGINE) -c 'import numpy; print(numpy.__version__)')"
	@touch $@

# Apart from the engine: Sphinx's dependencies are none of its business.
$(DOCS_VENV)/stamp: docs/requirements.txt | $(BUILD)/system.stamp
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement docs/requirements.txt
	@touch $@

# Beside the virtual environment: pytest-qgis there must find no other Qt than that of QGIS.
$(BUILD)/pyqt6: pyproject.toml | $(VENV)/tools.stamp
	@rm -rf $@
	$(ENGINE) -m pip install --quiet --target $@ --group qt6
	@touch $@
