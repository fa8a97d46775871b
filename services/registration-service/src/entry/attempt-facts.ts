/** The facts about a refused attempt for the audit, as far as they were known at the refusal. */
export interface AttemptFacts {
  action?: string
  tokenId?: string
  nodeId?: string
  details?: Record<string, unknown>
}

/** An error on its way through an attempt, with the facts for the audit. It never leaves `attempt`. */
class ErrorWithFacts extends Error {
  readonly error: unknown
  readonly facts: AttemptFacts

  constructor(error: unknown, facts: AttemptFacts) {
    super('an error with facts for the audit', { cause: error })
    this.error = error
    this.facts = facts
  }
}

/** Adds facts to an error that an attempt ends with. Facts that the error has already stay. */
export function addFacts(thrown: unknown, facts: AttemptFacts): Error {
  const inner = factsOf(thrown)
  const details = { ...facts.details, ...inner.facts.details }
  return new ErrorWithFacts(inner.error, { ...facts, ...inner.facts, details })
}

/** Runs a part of an attempt about which these facts are known. A refusal inside of it is recorded with them. */
export async function withFacts<T>(facts: AttemptFacts, part: () => Promise<T>): Promise<T> {
  try {
    return await part()
  } catch (error) {
    throw addFacts(error, facts)
  }
}

/** Takes an error apart into the error itself and its facts. */
export function factsOf(thrown: unknown): { error: unknown; facts: AttemptFacts } {
  return thrown instanceof ErrorWithFacts ? thrown : { error: thrown, facts: {} }
}
