"""A real Kubernetes for tests: ``python -m tests.cluster up`` on a machine with or without Docker.

Three providers stand behind one interface (:mod:`tests.cluster.provider`):

``local``
    the Kubernetes components as processes of this machine, one node per network namespace, no container engine needed;
``kind``
    a kind cluster, where Docker runs;
``existing``
    whatever ``$KUBECONFIG`` points at.

:mod:`tests.cluster.apiserver` is the small sibling: etcd and kube-apiserver alone, ready in seconds.
"""
