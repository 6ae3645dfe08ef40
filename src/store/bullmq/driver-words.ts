/** What the driver and Redis say, in words for a user; the code stays, so that it can be looked up and told apart. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^Socket timeout\b.*?(\d+)\d{3}ms/, 'no answer for $1 s'],
  [/^NOAUTH\b.*/, 'it asks for user and password (NOAUTH)'],
  [/^WRONGPASS\b.*/, 'it does not take this user and password, or the user is switched off (WRONGPASS)'],
  [
    /^NOPERM\b\s*(?:this user has|User \S+ has)?\s*(.*)/i,
    'this user may not do all that dogged does (NOPERM: $1)',
  ],
  [/.*\bDB index is out of range\b.*/, 'it has no database of this number'],
  [/^LOADING\b.*/, 'it is still reading its data (LOADING)'],
  [/.*\bECONNREFUSED\b.*/, 'nothing listens there (ECONNREFUSED)'],
  [/.*\bENOTFOUND\b.*/, 'there is no host of this name (ENOTFOUND)'],
  [/.*\bEAI_AGAIN\b.*/, 'the name of its host cannot be looked up just now (EAI_AGAIN)'],
  [/.*\b(EHOSTUNREACH|ENETUNREACH)\b.*/, 'its machine cannot be reached ($1)'],
  [/.*\bETIMEDOUT\b.*/, 'no connection comes about (ETIMEDOUT)'],
  [/.*\bECONNRESET\b.*/, 'it broke the connection off (ECONNRESET)'],
];

export function plainReason(why: string): string {
  const said = why.replace(/\.+$/, '');
  const found = WORDS.find(([pattern]) => pattern.test(said));
  return found === undefined ? said : said.replace(...found);
}
