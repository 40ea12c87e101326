// What Pulumi's AWS plugin (7.48) calls for each type of resource that client-vms.ts creates. The plugin wraps Terraform's provider
// for AWS, and this list was read from its source: the plugin itself has not been recorded. test/aws/plugin-calls.test.ts holds this against what the tests' double of the plugin calls.

export type PluginCalls = {
  /** The file in `internal/service` of github.com/hashicorp/terraform-provider-aws. */
  readonly source: string;
  /** Besides those of `read`, which follows. */
  readonly create: readonly string[];
  readonly read: readonly string[];
  /** Of what the program changes. Empty: changes are ignored, or mean a replacement. */
  readonly update: readonly string[];
  readonly delete: readonly string[];
};

export const pluginCalls = {
  'aws:ec2/instance:Instance': {
    source: 'ec2/ec2_instance.go',
    // The name of the root device is the image's.
    create: ['ec2:DescribeImages', 'ec2:RunInstances'],
    read: [
      'ec2:DescribeInstanceAttribute',
      'ec2:DescribeInstanceCreditSpecifications',
      'ec2:DescribeInstanceTypes',
      'ec2:DescribeInstances',
      'ec2:DescribeTags',
      'ec2:DescribeVolumes',
    ],
    update: [],
    // Ends the protection against termination first.
    delete: ['ec2:DescribeInstances', 'ec2:ModifyInstanceAttribute', 'ec2:TerminateInstances'],
  },
  'aws:ec2/securityGroup:SecurityGroup': {
    source: 'ec2/vpc_security_group.go',
    // The rule that EC2 gives to each group goes first.
    create: [
      'ec2:AuthorizeSecurityGroupEgress',
      'ec2:AuthorizeSecurityGroupIngress',
      'ec2:CreateSecurityGroup',
      'ec2:RevokeSecurityGroupEgress',
    ],
    read: ['ec2:DescribeSecurityGroups'],
    update: [
      'ec2:AuthorizeSecurityGroupEgress',
      'ec2:AuthorizeSecurityGroupIngress',
      'ec2:CreateTags',
      'ec2:DeleteTags',
      'ec2:RevokeSecurityGroupEgress',
      'ec2:RevokeSecurityGroupIngress',
    ],
    delete: ['ec2:DeleteSecurityGroup', 'ec2:DescribeNetworkInterfaces'],
  },
  'aws:ec2/keyPair:KeyPair': {
    source: 'ec2/ec2_key_pair.go',
    create: ['ec2:ImportKeyPair'],
    read: ['ec2:DescribeKeyPairs'],
    update: ['ec2:CreateTags', 'ec2:DeleteTags'],
    delete: ['ec2:DeleteKeyPair'],
  },
  'aws:iam/role:Role': {
    source: 'iam/role.go',
    create: ['iam:CreateRole'],
    read: ['iam:GetRole', 'iam:GetRolePolicy', 'iam:ListAttachedRolePolicies', 'iam:ListRolePolicies'],
    update: ['iam:TagRole', 'iam:UntagRole', 'iam:UpdateAssumeRolePolicy', 'iam:UpdateRoleDescription'],
    delete: [
      'iam:DeleteRole',
      'iam:DeleteRolePolicy',
      'iam:DetachRolePolicy',
      'iam:ListAttachedRolePolicies',
      'iam:ListInstanceProfilesForRole',
      'iam:ListRolePolicies',
      'iam:RemoveRoleFromInstanceProfile',
    ],
  },
  'aws:iam/rolePolicy:RolePolicy': {
    source: 'iam/role_policy.go',
    create: ['iam:PutRolePolicy'],
    read: ['iam:GetRolePolicy'],
    update: ['iam:PutRolePolicy'],
    delete: ['iam:DeleteRolePolicy'],
  },
  'aws:iam/instanceProfile:InstanceProfile': {
    source: 'iam/instance_profile.go',
    create: ['iam:AddRoleToInstanceProfile', 'iam:CreateInstanceProfile'],
    // Looks whether its role still exists.
    read: ['iam:GetInstanceProfile', 'iam:GetRole'],
    update: ['iam:TagInstanceProfile', 'iam:UntagInstanceProfile'],
    delete: ['iam:DeleteInstanceProfile', 'iam:RemoveRoleFromInstanceProfile'],
  },
  'aws:cloudwatch/logGroup:LogGroup': {
    source: 'logs/group.go',
    create: ['logs:CreateLogGroup', 'logs:PutRetentionPolicy'],
    read: ['logs:DescribeLogGroups', 'logs:ListTagsForResource'],
    update: ['logs:PutRetentionPolicy', 'logs:TagResource', 'logs:UntagResource'],
    delete: ['logs:DeleteLogGroup'],
  },
  'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter': {
    source: 'logs/subscription_filter.go',
    create: ['logs:PutSubscriptionFilter'],
    read: ['logs:DescribeSubscriptionFilters'],
    update: ['logs:PutSubscriptionFilter'],
    delete: ['logs:DeleteSubscriptionFilter'],
  },
  'aws:lambda/function:Function': {
    source: 'lambda/function.go',
    create: ['lambda:CreateFunction'],
    read: ['lambda:GetFunction', 'lambda:GetFunctionCodeSigningConfig', 'lambda:ListVersionsByFunction'],
    update: [
      'lambda:TagResource',
      'lambda:UntagResource',
      'lambda:UpdateFunctionCode',
      'lambda:UpdateFunctionConfiguration',
    ],
    delete: ['lambda:DeleteFunction'],
  },
  'aws:lambda/permission:Permission': {
    source: 'lambda/permission.go',
    create: ['lambda:AddPermission'],
    read: ['lambda:GetPolicy'],
    update: [],
    delete: ['lambda:RemovePermission'],
  },
} as const satisfies Readonly<Record<string, PluginCalls>>;

/** Not calls, but permissions that AWS wants for another call. */
export const withinOtherCalls = {
  'ec2:CreateSecurityGroup': ['ec2:CreateTags'],
  'ec2:ImportKeyPair': ['ec2:CreateTags'],
  'ec2:RunInstances': ['ec2:CreateTags', 'iam:PassRole'],
  'iam:AddRoleToInstanceProfile': ['iam:PassRole'],
  'iam:CreateInstanceProfile': ['iam:TagInstanceProfile'],
  'iam:CreateRole': ['iam:TagRole'],
  'lambda:CreateFunction': ['iam:PassRole', 'lambda:TagResource'],
  // The tags of a function are in the answer.
  'lambda:GetFunction': ['lambda:ListTags'],
  'logs:CreateLogGroup': ['logs:TagResource'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
