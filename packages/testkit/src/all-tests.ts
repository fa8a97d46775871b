/** Whether this run has time for tests of machines: CI does, and so does a developer who sets MUSTER_TEST_ALL. */
export const runsAllTests: boolean = isSet('CI') || isSet('MUSTER_TEST_ALL')

/** Whether a variable of the environment says yes. */
export function isSet(variable: string): boolean {
  return !['', 'false', undefined].includes(process.env[variable])
}
