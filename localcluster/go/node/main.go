// Command node is one binary that acts as the server it is called by: kubelet, kube-proxy or kube-scheduler. The name
// comes from the program's own name (a symbolic link) or from the first argument.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

const names = "kubelet, kube-proxy, kube-scheduler"

var servers = map[string]func() *cobra.Command{
	"kubelet":        func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":     proxy.NewProxyCommand,
	"kube-scheduler": func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	name := filepath.Base(os.Args[0])
	if name == "node" {
		if len(os.Args) < 2 {
			fail("say which server to be: " + names)
		}
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	command, known := servers[name]
	if !known {
		fail(fmt.Sprintf("%q is not one of %s", name, names))
	}
	os.Exit(cli.Run(command()))
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "node: "+message)
	os.Exit(2)
}
