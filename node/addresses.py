"""The addresses inside the node's own network; no other network can reach them, so they may be fixed."""

from __future__ import annotations

NODE_NAME = "node"
NODE_IP = "10.77.0.1"
NODE_NETWORK = f"{NODE_IP}/24"
POD_NETWORK = "10.77.2.0/24"
SERVICE_NETWORK = "10.96.0.0/24"
DNS_IP = "10.96.0.10"
API_PORT = 6443
API_URL = f"https://{NODE_IP}:{API_PORT}"
ETCD_PORT, ETCD_PEER_PORT, CONTROLLER_MANAGER_PORT = 12379, 12380, 10257
