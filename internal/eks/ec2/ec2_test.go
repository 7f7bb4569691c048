package ec2

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/test/simulated"
)

type allow bool

func (a allow) Authorize(context.Context, iam.Caller, iam.Request) (iam.Decision, error) {
	return iam.Decision{Allowed: bool(a)}, nil
}

var site = convert.Site{Account: "111122223333", Region: "naru-kr-1"}

func call(t *testing.T, allowed bool, form string) (int, string) {
	t.Helper()
	h := New(Options{Site: site, Backend: backend.New(simulated.New(t).Client), Authorizer: allow(allowed), Log: slog.New(slog.DiscardHandler)})
	if _, err := url.ParseQuery(form); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form))
	w := httptest.NewRecorder()
	w.Header().Set("x-amzn-RequestId", "id-1")
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAnswers(t *testing.T) {
	subnet := site.Subnet(simulated.Zone)
	for _, test := range []struct {
		reason, form string
		status       int
		words        []string
	}{
		{"when regions are asked for, there is one", "Action=DescribeRegions", 200,
			[]string{`<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id-1</requestId><regionInfo><item><regionName>naru-kr-1</regionName>`}},
		{"when zones are asked for, they are the hosts'", "Action=DescribeAvailabilityZones", 200, []string{"<availabilityZoneInfo><item><zoneName>naru-1a</zoneName><zoneState>available</zoneState>"}},
		{"when subnets are asked for, there is one a zone", "Action=DescribeSubnets&Filter.1.Name=vpc-id&Filter.1.Value.1=" + site.VPC(), 200,
			[]string{"<subnetSet><item><subnetId>" + subnet + "</subnetId>", "<availabilityZone>naru-1a</availabilityZone>"}},
		{"when a filter fits none, the list is empty", "Action=DescribeSubnets&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1", 200, []string{"<subnetSet></subnetSet>"}},
		{"when tags are asked for, nothing has them", "Action=DescribeSubnets&Filter.1.Name=tag:Name&Filter.1.Value.1=a", 200, []string{"<subnetSet></subnetSet>"}},
		{"when a filter is unknown, it is refused", "Action=DescribeSubnets&Filter.1.Name=colour&Filter.1.Value.1=red", 400, []string{"<Code>InvalidParameterValue</Code>", "colour"}},
		{"when a subnet does not exist, it is said", "Action=DescribeSubnets&SubnetId.1=subnet-1", 400, []string{"<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code>", "<RequestID>id-1</RequestID>"}},
		{"when types are asked for, they are the machine classes", "Action=DescribeInstanceTypes&InstanceType.1=t3.medium", 200,
			[]string{"<instanceTypeSet><item><instanceType>t3.medium</instanceType>", "<supportedArchitectures><item>x86_64</item>"}},
		{"when the network is asked for, there is one", "Action=DescribeVpcs", 200, []string{"<vpcSet><item><vpcId>" + site.VPC() + "</vpcId>", "<isDefault>true</isDefault>"}},
		{"when there is no cluster, there is no security group", "Action=DescribeSecurityGroups", 200, []string{"<securityGroupInfo></securityGroupInfo>"}},
		{"when an attribute is asked for, it is told", "Action=DescribeAccountAttributes&AttributeName.1=default-vpc", 200, []string{"<attributeValue>" + site.VPC() + "</attributeValue>"}},
		{"when something is to be changed, it is refused", "Action=RunInstances", 400, []string{"<Code>InvalidAction</Code>"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			status, body := call(t, true, test.form)
			for _, words := range test.words {
				if status != test.status || !strings.Contains(body, words) {
					t.Errorf("got %d, %s\nwant %s", status, body, words)
				}
			}
		})
	}
	if status, body := call(t, false, "Action=DescribeSubnets"); status != 403 || !strings.Contains(body, "UnauthorizedOperation") {
		t.Errorf("when policies do not allow it, it is refused: %d, %s", status, body)
	}
}
