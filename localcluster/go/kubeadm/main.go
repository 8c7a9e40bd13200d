// Command kubeadm makes a Kubernetes node of a machine; kind calls it inside of its own.
package main

import (
	"os"

	"k8s.io/kubernetes/cmd/kubeadm/app"
)

func main() {
	if err := app.Run(); err != nil {
		os.Exit(1)
	}
}
