// What machines share, as the cloud has it: one kind of it each in the files beside this one.

/** As the engine's state calls it: a part of the cloud and a resource of the state are the same by type and id. */
export type PartType =
  | 'aws:lambda/function:Function'
  | 'aws:iam/role:Role'
  | 'aws:iam/instanceProfile:InstanceProfile'
  | 'aws:ec2/keyPair:KeyPair'
  | 'aws:ec2/securityGroup:SecurityGroup'
  | 'aws:cloudwatch/logGroup:LogGroup';

export type CloudPart = {
  readonly type: PartType;
  readonly id: string;
  /** For people: `security group`. */
  readonly what: string;
  /** Log lines go with it, that nothing else has. */
  readonly holdsLogs: boolean;
};

/** One kind of part. Both throw what AWS' client throws. */
export type PartKind = {
  /** For people, in the plural. */
  readonly named: string;
  /** Those that carry our uid, whatever else their name. */
  list(signal: AbortSignal): Promise<readonly CloudPart[]>;
  /** Gone already is done. */
  remove(id: string, signal: AbortSignal): Promise<void>;
};

/** What parts are asked by. */
export type PartOwner = {
  readonly region: string;
  readonly uid: string;
  /** Of roles, each with what it is called in the cloud. */
  readonly roles: readonly string[];
  readonly profile: string;
  readonly functionName: string;
  readonly logGroups: readonly string[];
};

/** Null where AWS says that there is no such thing. */
export async function unlessMissing<T>(names: RegExp, asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Error && names.test(error.name)) return null;
    throw error;
  }
}
