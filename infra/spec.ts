// What a fleet of client VMs is to be: the input of the program client-vms.ts, which is a pure function of it. Values
// only; knows nothing of Pulumi, of rows or of the server. The driver (src/provision/aws) makes it.

/** One machine, keyed by its hostname. Of a machine that lives already, the engine ignores all but the name. */
export type MachineSpec = {
  readonly hostname: string;
  /** The launch that makes it; becomes a tag. */
  readonly launchId: string;
  /** Its bearer token (`API_TOKEN`): the only secret that user data may hold. */
  readonly token: string;
  /** An EC2 instance type, such as g4dn.xlarge. */
  readonly instanceType: string;
  /** Whether that type has an NVIDIA GPU, as EC2 DescribeInstanceTypes says. */
  readonly nvidia: boolean;
  readonly subnetId: string;
  /** When the fleet is to be over, ISO 8601; the machine ends itself then, plus the grace. Null = no end. */
  readonly shutdownAt: string | null;
};

type ContainerSpec = {
  readonly image: string;
  /** Cloned into the participant's folder; null = nothing is. */
  readonly repository: string | null;
  readonly software: string | null;
};

export type ClientVmsSpec = {
  readonly deployment: string;
  readonly environment: string;
  /** Random, made once per deployment: the tag by which machines are known to be ours. */
  readonly deploymentUid: string;
  readonly region: string;
  readonly allocator: {
    /** Where machines reach the allocator, like https://lab.example.org */
    readonly url: string;
    /** Who may reach the machines over SSH, as CIDR blocks. */
    readonly sshCidrs: readonly string[];
  };
  /** Of the allocator's own key pair: `ssh-ed25519 AAAA…`. */
  readonly sshPublicKey: string;
  readonly vpcId: string;
  readonly amiId: string;
  readonly diskGb: number;
  readonly container: ContainerSpec;
  /** `container`: the image runs the field's own `subscribe`. `lablink`: our agent's executable runs on the machine. */
  readonly agent: 'container' | 'lablink';
  readonly startupScript: { readonly content: string; readonly onError: 'continue' | 'fail' } | null;
  /** Minutes that a machine lives on past the end of its fleet. */
  readonly graceMinutes: number;
  readonly logs: {
    readonly group: string;
    readonly retentionDays: number;
    /** What the forwarder shows when it sends the logs of VMs (`LOG_FORWARDER_TOKEN`). */
    readonly forwarderToken: string;
  };
  readonly machines: readonly MachineSpec[];
};

/** What the program puts out per hostname. */
export type MachineOutput = {
  readonly instanceId: string;
  readonly publicIp: string;
  readonly privateIp: string;
};
