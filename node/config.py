"""The configuration files of containerd, its network and kubelet, as functions of paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localcluster.pki import Pki

from .addresses import DNS_IP, NODE_IP, POD_NETWORK

KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""What kubelet wants, by path below /proc/sys."""
PAUSE = "localhost/pause:1"


def containerd(state: Path, plugins: Path) -> str:
    """TOML. ``restrict_oom_score_adj``, or runc fails where root may not lower its score."""
    home = state / "containerd"
    return f"""version = 2
root = "{home}/root"
state = "{home}/state"
[grpc]
  address = "{home}/sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{state}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def network(state: Path) -> str:
    """A bridge for the pods, addresses noted in the state directory."""
    addresses = {
        "type": "host-local",
        "dataDir": str(state / "pod-addresses"),
        "ranges": [[{"subnet": POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins: list[dict[str, Any]] = [
        {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": plugins})


def kubelet(state: Path, pki: Pki, cgroup: str) -> str:
    """JSON is YAML. Images are never collected: nobody can pull them again."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_IP,
            "tlsCertFile": str(pki.certificate("kubelet")),
            "tlsPrivateKeyFile": str(pki.key("kubelet")),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.ca)},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{state}/containerd/sock",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "oomScoreAdj": 0,
            "failSwapOn": False,
            "resolvConf": str(state / "resolv.conf"),
            "clusterDNS": [DNS_IP],
            "clusterDomain": "cluster.local",
            "podLogsDir": str(state / "logs" / "pods"),
            "nodeStatusUpdateFrequency": "2s",
            "syncFrequency": "5s",  # a changed ConfigMap is in the pod by then; a minute is usual
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
        }
    )
