package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"naru.dev/naru/internal/scorecard"
)

func projects(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		trial[cli]{row: "A30", needs: scorecard.PlatformAPI, limit: short, judge: cli.judge,
			prepare: func(ctx context.Context) error { _, err := lab.Main(ctx); return err },
			observe: func(ctx context.Context, log *scorecard.Log, o *cli) error { return o.observe(ctx, lab, log) }}.check(),
		inProject[permitted]{row: "A32", limit: short, judge: permitted.judge, observe: func(ctx context.Context, p *project, o *permitted) error {
			return o.observe(ctx, lab, p)
		}}.check(lab),
		inProject[administered]{row: "A33", limit: short, judge: administered.judge, observe: func(ctx context.Context, p *project, o *administered) error {
			return o.observe(ctx, lab, p)
		}}.check(lab),
		inProject[staged]{row: "A34", limit: short, judge: staged.judge, observe: func(ctx context.Context, p *project, o *staged) error {
			return observeStaged(ctx, lab, p, o)
		}}.check(lab),
		inProject[quotas]{row: "A35", limit: short, observe: observeQuotas, judge: quotas.judge}.check(lab),
	}
}

// cli is A30.
type cli struct {
	Kubeconfig, Completion Ran
	Nodes                  int
}

func (o *cli) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	cluster, err := lab.Main(ctx)
	if err != nil {
		return err
	}
	if o.Kubeconfig, err = lab.Platform.Naru(ctx, "", "kubeconfig", cluster.Name, "-o", "-"); err != nil {
		return err
	}
	// What it prints is a key: it is no evidence.
	log.Add("naru kubeconfig "+cluster.Name+" -o -", fmt.Sprintf("%d bytes", len(o.Kubeconfig.Stdout)))
	fresh, err := lab.Platform.Login(o.Kubeconfig.Stdout)
	if err != nil {
		return err
	}
	nodes, err := fresh.readyNodes(ctx, "")
	if o.Nodes = len(nodes); err != nil {
		return err
	}
	log.Add("get nodes, with that kubeconfig", strings.Join(nodes, " "))
	if o.Completion, err = lab.Platform.Naru(ctx, "", "completion", "bash"); err != nil {
		return err
	}
	log.Add("naru completion bash", fmt.Sprintf("%d bytes", len(o.Completion.Stdout)))
	return nil
}

func (o cli) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("One command sets kubectl up for a cluster, one the shell's completion", "명령 하나로 kubectl을, 또 하나로 셸 자동완성을 설정한다"),
			o.Nodes > 0 && strings.Contains(o.Completion.Stdout, "__start_naru"), "%d nodes listed with the kubeconfig that was printed; %d bytes of completion", o.Nodes, len(o.Completion.Stdout)),
		missing(0.5, text("A package or an installer for the command line", "CLI용 패키지 또는 설치 프로그램")),
	}
}

// account makes a service account and returns who it is to the cluster.
func (p *project) account(ctx context.Context, name string) (kubernetes.Interface, error) {
	accounts := p.Kube.CoreV1().ServiceAccounts(p.namespace)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("creating account %s: %w", name, err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](600)}}
	token, err := accounts.CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking for a token of %s: %w", name, err)
	}
	return p.As(token.Status.Token)
}

// grant binds a role to an account of this project, in this project.
func (p *project) grant(ctx context.Context, account string, role rbacv1.RoleRef) error {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account}, RoleRef: role,
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: p.namespace, Name: account}},
	}
	_, err := p.Kube.RbacV1().RoleBindings(p.namespace).Create(ctx, binding, metav1.CreateOptions{})
	p.log.Add(fmt.Sprintf("create rolebinding %s/%s --%s=%s", p.namespace, account, strings.ToLower(role.Kind), role.Name), outcome(err))
	if err != nil {
		return fmt.Errorf("granting %s to %s: %w", role.Name, account, err)
	}
	return nil
}

// may tells whether an account may do something, by doing it: only Forbidden is a no.
func may(err error) (bool, error) {
	if apierrors.IsForbidden(err) {
		return false, nil
	}
	return err == nil, err
}

// permitted is A32: what two accounts may do.
type permitted struct {
	// Reads: the reader lists pods. The rest is what it must not do.
	Reads, ReadsSecrets, Writes, Elsewhere bool
	// Stranger: an account without a role lists pods. After: the reader still does without its role.
	Stranger, After bool
	// Asked tells that all questions were answered.
	Asked bool
}

func (o *permitted) observe(ctx context.Context, lab *Lab, p *project) error {
	other, err := lab.project(ctx, "A32", p.log)
	if err != nil {
		return err
	}
	defer other.leave()
	reader, err := p.account(ctx, "reader")
	if err != nil {
		return err
	}
	stranger, err := p.account(ctx, "stranger")
	if err != nil {
		return err
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}}}}
	if _, err := p.Kube.RbacV1().Roles(p.namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating a role: %w", err)
	}
	if err := p.grant(ctx, "reader", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}); err != nil {
		return err
	}
	lists := func(who kubernetes.Interface, namespace string) error {
		_, err := who.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		return err
	}
	err = await(ctx, "the reader's permission", 15*time.Second, func(context.Context) error { return lists(reader, p.namespace) })
	if o.Reads = err == nil; err != nil {
		return err
	}
	_, secretsErr := reader.CoreV1().Secrets(p.namespace).List(ctx, metav1.ListOptions{})
	_, writeErr := reader.CoreV1().ConfigMaps(p.namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
	var failures []error
	for _, q := range []struct {
		what string
		err  error
		may  *bool
	}{
		{"reader lists Secrets", secretsErr, &o.ReadsSecrets}, {"reader creates a ConfigMap", writeErr, &o.Writes},
		{"reader lists pods of another project", lists(reader, other.namespace), &o.Elsewhere}, {"stranger lists pods", lists(stranger, p.namespace), &o.Stranger},
	} {
		var err error
		*q.may, err = may(q.err)
		failures = append(failures, err)
		p.log.Add(q.what, outcome(q.err, "allowed"))
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	o.Asked = true
	return o.revoke(ctx, p, func() error { return lists(reader, p.namespace) })
}

// revoke takes the reader's role away.
func (o *permitted) revoke(ctx context.Context, p *project, list func() error) error {
	o.After = true
	if err := p.Kube.RbacV1().RoleBindings(p.namespace).Delete(ctx, "reader", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("taking the role away: %w", err)
	}
	err := await(ctx, "the end of the reader's permission", 15*time.Second, func(context.Context) error {
		if allowed, err := may(list()); err != nil || allowed {
			return errors.Join(errors.New("it still lists pods"), err)
		}
		return nil
	})
	o.After = err != nil
	p.log.Add("delete rolebinding reader; reader lists pods", outcome(err, "forbidden"))
	return err
}

func (o permitted) judge() []scorecard.Claim {
	asked := o.Asked && o.Reads
	return []scorecard.Claim{
		claim(1, text("An account may do with a resource what its role says, and no more", "계정은 역할이 허용하는 리소스 작업만 할 수 있다"), asked && !o.ReadsSecrets && !o.Writes, "lists pods: %v, Secrets: %v, writes: %v", o.Reads, o.ReadsSecrets, o.Writes),
		claim(1, text("It holds for one account and one project", "권한은 해당 계정과 프로젝트에만 적용된다"), asked && !o.Elsewhere && !o.Stranger, "in another project: %v, another account: %v", o.Elsewhere, o.Stranger),
		claim(1, text("It ends when the role is taken away", "역할을 회수하면 권한이 끝난다"), asked && !o.After, "still allowed afterwards: %v", o.After),
	}
}

// administered is A33: a project with an administrator of its own.
type administered struct {
	// Works: the administrator makes things and lets others in. Elsewhere: also in another project.
	Works, Elsewhere bool
	// Emptied tells that the project's deletion took everything in it.
	Emptied bool
}

func (o *administered) observe(ctx context.Context, lab *Lab, p *project) error {
	o.Elsewhere = true
	team, err := lab.project(ctx, "A33", p.log)
	if err != nil {
		return err
	}
	defer team.leave()
	admin, err := team.account(ctx, "admin")
	if err != nil {
		return err
	}
	if err := team.grant(ctx, "admin", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}); err != nil {
		return err
	}
	mine := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
	err = await(ctx, "the administrator's permission", 15*time.Second, func(ctx context.Context) error {
		_, err := admin.CoreV1().ConfigMaps(team.namespace).Create(ctx, mine.DeepCopy(), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	guest := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "guest"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "guest"}},
	}
	_, err = admin.RbacV1().RoleBindings(team.namespace).Create(ctx, guest, metav1.CreateOptions{})
	o.Works = err == nil
	p.log.Add("the administrator creates a ConfigMap and a RoleBinding in its project", outcome(err, "allowed"))
	if err != nil {
		return err
	}
	_, err = admin.CoreV1().ConfigMaps(p.namespace).Create(ctx, mine.DeepCopy(), metav1.CreateOptions{})
	p.log.Add("the administrator creates a ConfigMap in another project", outcome(err, "allowed"))
	if o.Elsewhere, err = may(err); err != nil {
		return err
	}
	if err := p.Kube.CoreV1().Namespaces().Delete(ctx, team.namespace, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting the project: %w", err)
	}
	err = await(ctx, "the project to be gone", time.Minute, func(ctx context.Context) error {
		_, err := p.Kube.CoreV1().Namespaces().Get(ctx, team.namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = p.Kube.CoreV1().ConfigMaps(team.namespace).Get(ctx, "mine", metav1.GetOptions{})
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
	o.Emptied = err == nil
	p.log.Add("delete namespace "+team.namespace, outcome(err, "gone, with what was in it"))
	return err
}

func (o administered) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("A project is made with an administrator, who manages it and no other", "프로젝트를 만들고 관리자를 지정하며, 관리자는 그 프로젝트만 관리한다"), o.Works && !o.Elsewhere, "manages its own: %v, another: %v", o.Works, o.Elsewhere),
		claim(0.5, text("Deleting it takes everything in it away", "프로젝트를 삭제하면 안의 모든 것이 삭제된다"), o.Works && o.Emptied, "gone: %v", o.Emptied),
		missing(1, text("A project as one thing that a user asks for, with its administrator", "사용자가 관리자와 함께 한 번에 신청하는 프로젝트")),
	}
}

// quotaTime bounds how long a quota may take to count.
const quotaTime = 20 * time.Second

// quotas is A35: what is taken within the limits and what beyond them is refused, by resource.
type quotas struct{ Taken, Refused map[string]bool }

func observeQuotas(ctx context.Context, p *project, o *quotas) error {
	o.Taken, o.Refused = map[string]bool{}, map[string]bool{}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
		"requests.cpu": resource.MustParse("100m"), "requests.memory": resource.MustParse("100Mi"), "pods": resource.MustParse("2"), "services": resource.MustParse("1"),
	}}}
	if err := p.limited(ctx, quota); err != nil {
		return err
	}
	pod := func(name, cpu, memory string) error {
		pod := p.shellPod(name, sleeper)
		pod.Spec.Containers[0].Resources.Requests = resources(cpu, memory)
		return p.submit(ctx, pod)
	}
	svc := func(name string) error {
		_, err := p.Kube.CoreV1().Services(p.namespace).Create(ctx, service(p.namespace, name, nil), metav1.CreateOptions{})
		return err
	}
	for _, step := range []struct {
		resource string
		within   bool
		do       func() error
	}{
		{"requests.cpu", true, func() error { return pod("one", "60m", "60Mi") }}, {"requests.cpu", false, func() error { return pod("greedy", "60m", "10Mi") }},
		{"requests.memory", false, func() error { return pod("hungry", "10m", "60Mi") }}, {"requests.memory", true, func() error { return pod("two", "10m", "10Mi") }},
		{"pods", false, func() error { return pod("three", "10m", "10Mi") }}, {"services", true, func() error { return svc("one") }}, {"services", false, func() error { return svc("two") }},
	} {
		err := step.do()
		p.log.Add(fmt.Sprintf("create beyond %s: %v", step.resource, !step.within), outcome(err, "taken"))
		if step.within {
			o.Taken[step.resource] = err == nil
		} else {
			o.Refused[step.resource] = err != nil && strings.Contains(err.Error(), "exceeded quota") && strings.Contains(err.Error(), step.resource)
		}
	}
	o.Taken["pods"] = o.Taken["requests.cpu"] && o.Taken["requests.memory"]
	return nil
}

func (o quotas) judge() []scorecard.Claim {
	limit := func(resource, en, ko string) scorecard.Claim {
		return claim(0.5, text(en, ko), o.Taken[resource] && o.Refused[resource], "within the limit taken: %v, beyond it refused: %v", o.Taken[resource], o.Refused[resource])
	}
	return []scorecard.Claim{
		limit("requests.cpu", "Processors are limited by project", "프로젝트별 CPU 제한"),
		limit("requests.memory", "Memory is", "프로젝트별 메모리 제한"),
		limit("pods", "So is the number of pods", "프로젝트별 파드 수 제한"),
		limit("services", "So is the number of Services, which routes lead to", "프로젝트별 서비스(라우트 대상) 수 제한"),
	}
}
