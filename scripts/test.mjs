// npm test: all tests, or those that the arguments after -- choose (jest's own). The last line counts passed and failed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { bootstrap, localProgram, root } from './bootstrap.mjs'
import { runVisibly } from './progress.mjs'

await bootstrap()
const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-test-'))
const resultFile = path.join(folder, 'result.json')
const nodeOptions = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`
const code = await runVisibly(
  localProgram('jest'),
  ['--json', `--outputFile=${resultFile}`, ...process.argv.slice(2)],
  { cwd: root, env: { ...process.env, NODE_OPTIONS: nodeOptions.trim() } },
)
process.exitCode = report()
rmSync(folder, { recursive: true, force: true })

function report() {
  let result
  try {
    result = JSON.parse(readFileSync(resultFile, 'utf8'))
  } catch {
    // No result: jest only listed or explained something, or it broke down.
    if (code !== 0) console.log('0 passed, 1 failed')
    return code
  }
  if (result.numPassedTests === undefined) return code
  // A suite that could not run counts as one failed test.
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites
  console.log(`${result.numPassedTests} passed, ${failed} failed`)
  return code === 0 && failed > 0 ? 1 : code
}
