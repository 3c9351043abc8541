// What Crisp's reference documents, and the types of its official client lack,
// or have in another form than the API sends.

export interface OperatorListOne {
  type: "operator" | "invite" | "sandbox";
  details: OperatorDetails;
}

export interface OperatorDetails {
  user_id?: string;
  email?: string;
  avatar?: string;
  first_name?: string;
  last_name?: string;
  role?: string;
  title?: string;
  availability?: string;
  has_token?: boolean;
  identifier?: string;
  key?: string;
}

export interface WebsiteOperatorsLastActiveListOne {
  user_id?: string;
  avatar?: string;
  nickname?: string;
  timestamp?: number;
}

export interface MessageSent {
  fingerprint: number;
}

export interface Envelope {
  error: boolean;
  reason: string;
  data: unknown;
}
