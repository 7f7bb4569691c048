// Command naru is managed Kubernetes on your own machines. What it can do is in cmd.
package main

import (
	"os"

	"naru.dev/naru/cmd"
)

func main() {
	os.Exit(cmd.Execute())
}
