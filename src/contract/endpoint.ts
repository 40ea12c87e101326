// What the endpoint table (endpoints.gen.ts) says of one endpoint. Written by codegen from openapi.yaml.

/** The security schemes of the contract. */
export type SecurityScheme =
  'adminBasic' | 'vmToken' | 'forwarderToken' | 'registrationToken' | 'metricsToken' | 'browserCookie';

/** Of a person: `instructor`s see and help, `admin`s do everything. */
export type Role = 'instructor' | 'admin';

export type QueryType = 'string' | 'integer' | 'number' | 'boolean';

/** On the wire a form field is a string; in the contract it is this. `array`: of strings, one for each time it is given. */
export type FormFieldType = 'string' | 'integer' | 'boolean' | 'array';

export type EndpointInfo = {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As in the contract: `/api/v1/vms/{hostname}`. */
  readonly path: string;
  /** The tag: also the name of the handler file. */
  readonly tag: string;
  /** Alternatives, any of which suffices; an empty list within stands for "none needed". */
  readonly security: readonly (readonly SecurityScheme[])[];
  /** The least that a person needs to be; null where no person signs in. */
  readonly role: Role | null;
  /** Media types that the request body may have; empty where there is no body. */
  readonly consumes: readonly string[];
  /** A request without a body is refused; an empty form is one. */
  readonly bodyRequired: boolean;
  /** Fields of the form body, where there is one. */
  readonly form: Readonly<Record<string, FormFieldType>> | null;
  /** Name → type of the query parameters. */
  readonly query: Readonly<Record<string, QueryType>>;
  /** Unknown query parameters are ignored instead of refused. */
  readonly unknownQueryAllowed: boolean;
  /** Status → media types. */
  readonly responses: Readonly<Record<string, readonly string[]>>;
  /** `body.hostname`: where the request names the VM that a VM token must belong to. */
  readonly hostnameIn: string | null;
  /** The answer may take for ever: a space is sent this often. */
  readonly keepAliveSeconds: number | null;
  /** The answer is a stream of server-sent events. */
  readonly eventStream: boolean;
  /** The endpoint reads and sets the browser cookie. */
  readonly browserCookie: boolean;
  /** Errors of form fields are answered 200 with the endpoint's page. */
  readonly formPage: boolean;
  /** An admin's request from a page of another site is refused: it changes something. */
  readonly ownPagesOnly: boolean;
  readonly bodyLimitBytes: number;
};
