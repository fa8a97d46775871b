/** The variables by which the test runner's process tells its workers where the stores are; they share nothing else. */
export const POSTGRES_URL_VARIABLE = 'MUSTER_TEST_POSTGRES_URL'
export const REDIS_URL_VARIABLE = 'MUSTER_TEST_REDIS_URL'

/** The address that a test run's set-up has left for its workers. @throws Error that says how tests are run */
export function storeUrl(variable: string): URL {
  const url = process.env[variable]
  if (url === undefined) throw new Error(`${variable} is not set: run tests by 'npm test' or by jest at the root`)
  return new URL(url)
}
