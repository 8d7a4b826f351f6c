"""What Kubernetes is told is what it understands, and nobody runs unfenced."""

import re
from pathlib import Path

import pytest

from shared.events.topics import SERVICES
from tests.containers.commands import run
from tests.containers.tools import go_program, go_sources, python_package

KUBERNETES = "1.34"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
SCHEMAS = "kubernetes-validate==1.37.0"
KEDA = "github.com/kedacore/keda/v2@v2.17.2"
PROMETHEUS = "github.com/prometheus-operator/prometheus-operator@v0.84.0"
DEFINITIONS = {
    KEDA: ("config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    PROMETHEUS: ("example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",),
}
PROGRAMS = (*SERVICES, "portal")


@pytest.fixture(name="manifests", scope="module")
def built_manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example overlay as Kubernetes is given it."""
    file = tmp_path_factory.mktemp("kubernetes") / "all.yaml"
    file.write_text(run(go_program(KUSTOMIZE, "."), "build", "deploy/kubernetes/overlays/example"))
    return file


def test_every_manifest_is_valid(manifests: Path) -> None:
    definitions = [go_sources(module) / name for module, names in DEFINITIONS.items() for name in names]
    python, script = python_package(SCHEMAS) / "bin" / "python", Path(__file__).with_name("validate_manifests.py")
    print(run(python, script, KUBERNETES, manifests, *definitions))  # noqa: T201  # for whoever reads the run


def test_every_program_has_what_keeps_it_running(manifests: Path) -> None:
    documents = manifests.read_text().split("\n---\n")
    named = {
        (found[1], name[1])
        for document in documents
        if (found := re.search(r"^kind: (\w+)$", document, re.MULTILINE))
        and (name := re.search(r"^metadata:\n(?:  .*\n)*?  name: (\S+)$", document, re.MULTILINE))
    }
    for program in PROGRAMS:
        kinds = {kind for kind, name in named if name == program}
        assert kinds >= {"Deployment", "Service", "PodDisruptionBudget", "ServiceMonitor"}
        assert kinds & {"ScaledObject", "HorizontalPodAutoscaler"}
    for document in documents:
        if re.search(r"^kind: (Deployment|Job)$", document, re.MULTILINE):
            assert "readOnlyRootFilesystem: true" in document
            assert "runAsNonRoot: true" in document
            assert re.search(r"^ +limits:\n +memory: \d+[MG]i$", document, re.MULTILINE)


def test_a_budget_of_disruptions_counts_the_processes_of_its_program_and_no_jobs(manifests: Path) -> None:
    documents = manifests.read_text().split("---\n")

    def labels(kind: str, within: str) -> list[set[str]]:
        """Return the labels within the part of each document of a kind that stands under these keys."""
        pattern = re.compile(rf"^{within}((?: +[\w./-]+: \S+\n)+)", re.MULTILINE)
        found = [pattern.search(one) for one in documents if f"\nkind: {kind}\n" in one]
        assert all(found)
        return [{line.strip() for line in one[1].splitlines()} for one in found if one]

    of_a_pod = r"  template:\n    metadata:\n      labels:\n"
    processes, jobs = labels("Deployment", of_a_pod), labels("Job", of_a_pod)
    budgets = labels("PodDisruptionBudget", r"  selector:\n    matchLabels:\n")
    assert len(budgets) == len(PROGRAMS)
    for budget in budgets:
        assert len([pod for pod in processes if budget <= pod]) == 1
        assert not [pod for pod in jobs if budget <= pod]
