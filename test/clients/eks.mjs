// The life of a cluster by AWS's SDK for JavaScript, with its own waiters. The environment says where the API is
// (AWS_ENDPOINT_URL, AWS_REGION, NODE_EXTRA_CA_CERTS) and who asks (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY); the arguments,
// the cluster's name and the role of the cluster and its nodes.
import assert from "node:assert/strict";
import {
  CreateClusterCommand, CreateNodegroupCommand, DeleteClusterCommand, DeleteNodegroupCommand, DescribeClusterCommand, DescribeNodegroupCommand,
  DescribeUpdateCommand, EKSClient, ResourceNotFoundException, TagResourceCommand, UpdateNodegroupConfigCommand, paginateListClusters,
  waitUntilClusterActive, waitUntilClusterDeleted, waitUntilNodegroupActive, waitUntilNodegroupDeleted,
} from "@aws-sdk/client-eks";

const [name, roleArn] = process.argv.slice(2);
const client = new EKSClient({});
const subnets = ["subnet-0123456789abcdef0"];
const patience = { client, maxWaitTime: 600, minDelay: 1, maxDelay: 2 };
const nodegroupName = "web";

await assert.rejects(client.send(new DescribeClusterCommand({ name })), (error) => {
  assert.ok(error instanceof ResourceNotFoundException, `a cluster that is not there: ${error}`);
  assert.equal(error.message, `No cluster found for name: ${name}.`);
  assert.equal(error.$metadata.httpStatusCode, 404);
  return true;
});

const created = await client.send(new CreateClusterCommand({
  name, roleArn, resourcesVpcConfig: { subnetIds: subnets }, tags: { "naru.dev/control-plane-replicas": "1" },
}));
assert.equal(created.cluster.status, "CREATING");
assert.ok(created.cluster.createdAt instanceof Date);
await waitUntilClusterActive(patience, { name });

const { cluster } = await client.send(new DescribeClusterCommand({ name }));
assert.match(cluster.endpoint, /^https:\/\//);
assert.match(Buffer.from(cluster.certificateAuthority.data, "base64").toString(), /BEGIN CERTIFICATE/);
await client.send(new TagResourceCommand({ resourceArn: cluster.arn, tags: { team: "web" } }));
assert.equal((await client.send(new DescribeClusterCommand({ name }))).cluster.tags.team, "web");

const listed = [];
for await (const page of paginateListClusters({ client, pageSize: 1 }, {})) listed.push(...page.clusters);
assert.ok(listed.includes(name), `clusters: ${listed}`);

await client.send(new CreateNodegroupCommand({
  clusterName: name, nodegroupName, nodeRole: roleArn, subnets, scalingConfig: { minSize: 1, maxSize: 2, desiredSize: 1 },
}));
await waitUntilNodegroupActive(patience, { clusterName: name, nodegroupName });
const { update } = await client.send(new UpdateNodegroupConfigCommand({ clusterName: name, nodegroupName, labels: { addOrUpdateLabels: { tier: "front" } } }));
for (let status = update.status; status !== "Successful";) {
  assert.equal(status, "InProgress");
  await new Promise((resolve) => setTimeout(resolve, 500));
  ({ update: { status } } = await client.send(new DescribeUpdateCommand({ name, nodegroupName, updateId: update.id })));
}
const { nodegroup } = await client.send(new DescribeNodegroupCommand({ clusterName: name, nodegroupName }));
assert.equal(nodegroup.labels.tier, "front");

await client.send(new DeleteNodegroupCommand({ clusterName: name, nodegroupName }));
await waitUntilNodegroupDeleted(patience, { clusterName: name, nodegroupName });
assert.equal((await client.send(new DeleteClusterCommand({ name }))).cluster.status, "DELETING");
await waitUntilClusterDeleted(patience, { name });
