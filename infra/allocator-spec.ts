// The input of the Pulumi program allocator.ts. Plain values; src/provision/aws/deployment composes it.

export type AllocatorSpec = {
  /** `PROVIDER` of the allocator. */
  readonly provider: string;
  /** `DEPLOYMENT` of the allocator, and the start of all names. */
  readonly deployment: string;
  readonly account: string;
  /** `aws`, or that of another part of AWS. */
  readonly partition: string;
  readonly region: string;
  readonly vpcId: string;
  /** A public subnet in the zone of the data volume. */
  readonly subnetId: string;
  /** An Ubuntu image. */
  readonly amiId: string;
  /** An EC2 instance type, such as t3.medium. */
  readonly instanceType: string;
  /** Contains the data folder: database, secrets, SSH key, Pulumi state. */
  readonly dataVolumeId: string;
  /** The name of the allocator in the DNS, such as lab.example.org. */
  readonly domain: string;
  /** The container image of the allocator, with Pulumi. */
  readonly image: string;
  /** A secret. */
  readonly adminPassword: string;
  /** The text of the config file; empty = none. */
  readonly configFile: string;
  /** More settings of the allocator, as environment variables. Some are secrets. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether the role has what sessions of Systems Manager need. */
  readonly sessions: boolean;
  /** Of these settings, what the role needs permissions for; null = not used. */
  readonly stateBucket: string | null;
  readonly backupBucket: string | null;
  readonly logGroup: string | null;
};
