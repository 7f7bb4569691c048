package checks

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

// verified is P11: what `naru verify` says of a cluster that is well, and of one whose DNS was stopped.
type verified struct {
	Well, Broken Ran
}

// dnsDeployment is what resolves names in a cluster of Naru's.
const dnsDeployment = "coredns"

func (o *verified) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	second, err := lab.Second(ctx)
	if err != nil {
		return err
	}
	system := &project{Cluster: second.Cluster, namespace: "kube-system", log: log}
	// What verify finds is not this row's: its exit code is. An error of running it shows in the code, too.
	o.Well, _ = lab.Platform.naru(ctx, log, "verify", second.Name, "--timeout", "4m")
	was, err := second.Kube.AppsV1().Deployments("kube-system").Get(ctx, dnsDeployment, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading deployment %s: %w", dnsDeployment, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		_ = system.scale(ctx, dnsDeployment, *was.Spec.Replicas) // the cluster goes with the evaluation
	}()
	if err := system.scale(ctx, dnsDeployment, 0); err != nil {
		return err
	}
	if err := system.rolledOut(ctx, dnsDeployment, time.Minute); err != nil {
		return err
	}
	o.Broken, _ = lab.Platform.naru(ctx, log, "verify", second.Name, "--timeout", "4m")
	return nil
}

var (
	checkPassed = regexp.MustCompile(`(?m)\s{2,}ok\s{2,}`)
	checkFailed = regexp.MustCompile(`(?m)^.*\s{2,}FAILED\s{2,}.*$`)
)

// fewestChecks is how many checks a verification has at least to be worth the name.
const fewestChecks = 10

func (o verified) judge() []scorecard.Claim {
	passed, failed := len(checkPassed.FindAllString(o.Well.Stdout, -1)), checkFailed.FindAllString(o.Well.Stdout, -1)
	found := checkFailed.FindAllString(o.Broken.Stdout, -1)
	dns := false
	for _, line := range found {
		dns = dns || strings.Contains(line, "DNS")
	}
	return []scorecard.Claim{
		claim(1, text("One command verifies the platform and a cluster by using them", "명령 하나로 플랫폼과 클러스터를 실제로 사용하여 검증한다"),
			o.Well.Command != "" && o.Well.Code == 0 && passed >= fewestChecks && len(failed) == 0, "%d checks passed, %d failed, in %s", passed, len(failed), seconds(o.Well.Took)),
		claim(1, text("It finds a fault: DNS that was stopped", "결함을 찾아낸다: 중지시킨 DNS"),
			o.Broken.Code == 1 && dns, "exit code %d, failed checks: %d", o.Broken.Code, len(found)),
	}
}
