package ec2

import (
	"context"
	"net/netip"
	"strings"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
)

// hosting is the range of the hosting cluster, in which every machine has its address.
const hosting = "100.64.0.0/10"

// Every item that follows has the members that EC2's has and Naru can tell.
type (
	region struct {
		Name     string `xml:"regionName"`
		Endpoint string `xml:"regionEndpoint"`
		OptIn    string `xml:"optInStatus"`
	}
	zone struct {
		Name   string `xml:"zoneName"`
		State  string `xml:"zoneState"`
		Region string `xml:"regionName"`
		ID     string `xml:"zoneId"`
		Type   string `xml:"zoneType"`
		Group  string `xml:"groupName"`
		Border string `xml:"networkBorderGroup"`
		OptIn  string `xml:"optInStatus"`
	}
	vpc struct {
		ID      string `xml:"vpcId"`
		Owner   string `xml:"ownerId"`
		State   string `xml:"state"`
		CIDR    string `xml:"cidrBlock"`
		Tenancy string `xml:"instanceTenancy"`
		Default bool   `xml:"isDefault"`
	}
	subnet struct {
		ID        string `xml:"subnetId"`
		VPC       string `xml:"vpcId"`
		Owner     string `xml:"ownerId"`
		State     string `xml:"state"`
		CIDR      string `xml:"cidrBlock,omitempty"`
		Available int    `xml:"availableIpAddressCount"`
		Zone      string `xml:"availabilityZone"`
		ZoneID    string `xml:"availabilityZoneId"`
		Default   bool   `xml:"defaultForAz"`
		Public    bool   `xml:"mapPublicIpOnLaunch"`
	}
	securityGroup struct {
		ID          string `xml:"groupId"`
		Name        string `xml:"groupName"`
		Description string `xml:"groupDescription"`
		Owner       string `xml:"ownerId"`
		VPC         string `xml:"vpcId"`
	}
	instanceType struct {
		Name    string `xml:"instanceType"`
		Current bool   `xml:"currentGeneration"`
		CPUs    int64  `xml:"vCpuInfo>defaultVCpus"`
		Memory  int64  `xml:"memoryInfo>sizeInMiB"`
		// Architectures that the processors have.
		Architectures []string `xml:"processorInfo>supportedArchitectures>item"`
		UsageClasses  []string `xml:"supportedUsageClasses>item"`
	}
	attribute struct {
		Name   string   `xml:"attributeName"`
		Values []string `xml:"attributeValueSet>item>attributeValue"`
	}
)

func (h *Handler) regions(_ context.Context, q question) (answer, error) {
	name := h.Site.Region
	all := []thing[region]{{name, map[string]string{"region-name": name, "opt-in-status": optIn}, region{name, "ec2." + name + ".amazonaws.com", optIn}}}
	list, err := choose(q, all, "RegionName", "InvalidParameterValue")
	return answer{"regionInfo", list}, err
}

const optIn = "opt-in-not-required"

func (h *Handler) zones(ctx context.Context, q question) (answer, error) {
	known, err := h.Backend.Zones(ctx)
	if err != nil {
		return answer{}, err
	}
	var all []thing[zone]
	for _, z := range known {
		facts := map[string]string{"zone-name": z.Name, "zone-id": z.Name, "state": "available", "region-name": h.Site.Region, "zone-type": "availability-zone", "opt-in-status": optIn}
		all = append(all, thing[zone]{z.Name, facts, zone{z.Name, "available", h.Site.Region, z.Name, "availability-zone", h.Site.Region, h.Site.Region, optIn}})
	}
	list, err := choose(q, all, "ZoneName", "InvalidParameterValue")
	return answer{"availabilityZoneInfo", list}, err
}

func (h *Handler) vpcs(_ context.Context, q question) (answer, error) {
	id := h.Site.VPC()
	facts := map[string]string{"vpc-id": id, "state": "available", "isDefault": "true", "is-default": "true", "cidr": hosting, "owner-id": h.Site.Account}
	list, err := choose(q, []thing[vpc]{{id, facts, vpc{id, h.Site.Account, "available", hosting, "default", true}}}, "VpcId", "InvalidVpcID.NotFound")
	return answer{"vpcSet", list}, err
}

func (h *Handler) subnets(ctx context.Context, q question) (answer, error) {
	zones, err := h.Backend.Zones(ctx)
	if err != nil {
		return answer{}, err
	}
	var all []thing[subnet]
	for _, z := range zones {
		s := h.subnet(z)
		facts := map[string]string{"subnet-id": s.ID, "vpc-id": s.VPC, "availability-zone": z.Name, "availability-zone-id": z.Name, "state": s.State,
			"default-for-az": "true", "cidr-block": s.CIDR, "owner-id": s.Owner, "map-public-ip-on-launch": "false"}
		all = append(all, thing[subnet]{s.ID, facts, s})
	}
	list, err := choose(q, all, "SubnetId", "InvalidSubnetID.NotFound")
	return answer{"subnetSet", list}, err
}

func (h *Handler) subnet(z backend.Zone) subnet {
	s := subnet{ID: h.Site.Subnet(z.Name), VPC: h.Site.VPC(), Owner: h.Site.Account, State: "available", CIDR: z.CIDR, Zone: z.Name, ZoneID: z.Name, Default: true}
	if prefix, err := netip.ParsePrefix(z.CIDR); err == nil && prefix.Addr().Is4() {
		s.Available = 1<<(32-prefix.Bits()) - 2
	}
	return s
}

func (h *Handler) securityGroups(ctx context.Context, q question) (answer, error) {
	clusters, err := h.Backend.Clusters(ctx)
	if err != nil {
		return answer{}, err
	}
	var all []thing[securityGroup]
	for i := range clusters {
		g := securityGroup{convert.SecurityGroup(clusters[i].UID), "eks-cluster-sg-" + clusters[i].Name, "NetworkPolicies of cluster " + clusters[i].Name, h.Site.Account, h.Site.VPC()}
		all = append(all, thing[securityGroup]{g.ID, map[string]string{"group-id": g.ID, "group-name": g.Name, "vpc-id": g.VPC, "owner-id": g.Owner}, g})
	}
	list, err := choose(q, all, "GroupId", "InvalidGroup.NotFound")
	return answer{"securityGroupInfo", list}, err
}

func (h *Handler) instanceTypes(ctx context.Context, q question) (answer, error) {
	classes, err := h.Backend.MachineClasses(ctx)
	if err != nil {
		return answer{}, err
	}
	var all []thing[instanceType]
	for i := range classes {
		name := classes[i].Name
		t := instanceType{name, true, classes[i].Spec.CPU.Value(), classes[i].Spec.Memory.Value() >> 20, []string{"x86_64"}, []string{"on-demand"}}
		all = append(all, thing[instanceType]{name, map[string]string{"instance-type": name, "current-generation": "true",
			"processor-info.supported-architecture": "x86_64", "supported-usage-class": "on-demand"}, t})
	}
	list, err := choose(q, all, "InstanceType", "InvalidInstanceType")
	return answer{"instanceTypeSet", list}, err
}

func (h *Handler) attributes(_ context.Context, q question) (answer, error) {
	var all []thing[attribute]
	for name, value := range map[string]string{"supported-platforms": "VPC", "default-vpc": h.Site.VPC()} {
		all = append(all, thing[attribute]{name, nil, attribute{name, strings.Fields(value)}})
	}
	list, err := choose(q, all, "AttributeName", "InvalidParameterValue")
	return answer{"accountAttributeSet", list}, err
}
