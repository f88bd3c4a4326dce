/** Who calls, and may they: the types that engines see. */

/** The head of a request as it came off the socket, before any framework touched it. */
export interface ReceivedHead {
  method: string;
  /** Path and query exactly as received. */
  rawTarget: string;
  /** Name and value pairs in arrival order; h2 pseudo-headers included (`:authority`). */
  rawHeaders: readonly string[];
}

export interface ReceivedRequest extends ReceivedHead {
  /** Hex SHA-256 of the body bytes. */
  bodySha256: string;
}

export type CredentialKind = "sigv4" | "short-term-key" | "long-term-key";

export interface Principal {
  /** `arn:aws:iam::<account>:user/<name>` or an assumed-role ARN. */
  arn: string;
  account: string;
  /** CloudTrail's `userIdentity.type`. */
  type: "IAMUser" | "AssumedRole" | "Root";
  name: string;
  /** Unique id, CloudTrail's `principalId`. */
  id: string;
  accessKeyId: string | undefined;
  credential: CredentialKind;
  tags: Readonly<Record<string, string>>;
  /** Names of the identity policies attached. */
  policies: readonly string[];
}

export type ConditionContext = Readonly<Record<string, string | readonly string[]>>;

export interface AccessRequest {
  principal: Principal;
  /** For example `bedrock-mantle:CreateInference`. */
  action: string;
  resource: string;
  context: ConditionContext;
}

/** A decision carries its reason. */
export interface Decision {
  effect: "allow" | "deny";
  reason: "allowed" | "explicit-deny" | "implicit-deny";
  action: string;
  resource: string;
  /** The statement that decided; absent for an implicit deny. */
  statement?: { policy: string; sid?: string; index: number };
  /** AWS's own sentence for a denial (aws-wire §7.4). */
  message: string;
  /** The least policy document that would allow it; only for an implicit deny. */
  minimalPolicy?: unknown;
}

/** Access as the gateway uses it. */
export interface Access {
  /**
   * The first half of {@link authenticate}, for servers that read no body of a stranger: proves what the head alone can
   * prove (a key wholly; of a signature its key, token, scope, clock and headers). What comes back proves the rest.
   */
  screen(
    head: ReceivedHead,
    services: readonly string[],
  ): Promise<(bodySha256: string) => Promise<Principal>>;
  /** Rejects with a MohoError of category `authentication`. */
  authenticate(request: ReceivedRequest, services: readonly string[]): Promise<Principal>;
  authorize(request: AccessRequest): Promise<Decision>;
}
