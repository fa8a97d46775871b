// npm run check: everything a change must pass, cheapest first. Stops at the first step that fails and shows its output.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { checkBreaking } from './breaking.mjs'
import { install, localProgram, root } from './bootstrap.mjs'
import { runStep, runVisibly } from './progress.mjs'

const contracts = path.join('packages', 'contracts')
const generated = [path.join(contracts, 'src', 'gen'), path.join(contracts, 'descriptors.binpb')]
const buf = localProgram('buf')

// Hides npm's warnings about the reader's own settings.
const env = { ...process.env, npm_config_loglevel: 'error' }
const steps = [
  ['Types', localProgram('tsc'), ['-b'], 'Fix the compiler errors above.'],
  ['Lint', 'npm', ['run', '--silent', 'lint'], 'Fix the lint errors above.'],
  ['Format of code and text', localProgram('prettier'), ['--check', '.'], 'Run: npm run format'],
  ['Format of contracts', buf, ['format', '-d', '--exit-code'], 'Run: npm run format'],
  ['Lint of contracts', buf, ['lint'], 'Fix the errors of buf above.'],
]

await install()
await checkGenerated()
for (const [title, program, args, onFailure] of steps)
  await runStep(title, program, args, { cwd: root, env, onFailure })
await checkBreaking()
checkAdvisories()
process.exitCode = await runVisibly('npm', ['test'], { cwd: root, env })

/** Fails on a published vulnerability of a dependency. Without access to the registry, prints that and passes. */
function checkAdvisories() {
  const { packageManager } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const args = ['--yes', packageManager, '--pm-on-fail=ignore', 'audit', '--prod', '--audit-level=moderate']
  const { status, stdout, stderr } = spawnSync('npx', args, { cwd: root, env, encoding: 'utf8', timeout: 60_000 })
  if (status === 0) console.log('✓ Advisories')
  else if (/ERR_PNPM_AUDIT|ENOTFOUND|ECONN|ETIMEDOUT/.test(stdout + stderr) || status === null) {
    console.log('- Advisories: the registry cannot be reached')
  } else {
    console.error(`✗ Advisories\n${stdout}\nRaise the floors in pnpm-workspace.yaml.`)
    process.exit(1)
  }
}

/** Fails unless the generated code in the checkout matches the contracts. */
async function checkGenerated() {
  const fresh = mkdtempSync(path.join(os.tmpdir(), 'muster-generated-'))
  try {
    const onFailure = 'Fix the contracts in protos/.'
    await runStep('Generating code from the contracts', buf, ['generate', '-o', fresh], { cwd: root, onFailure })
    const descriptors = path.join(fresh, contracts, 'descriptors.binpb')
    const build = spawnSync(buf, ['build', '-o', descriptors], { cwd: root, stdio: 'inherit' })
    const stale = generated.flatMap((name) => differences(fresh, name))
    if (build.status === 0 && stale.length === 0) return
    console.error(`✗ Generated code does not match the contracts:\n  ${stale.join('\n  ')}\nRun: npm run gen`)
    process.exitCode = 1
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  process.exit()
}

/** The files at or below `name` that differ between the checkout and `fresh`. */
function differences(fresh, name) {
  const names = new Set([...filesAt(path.join(fresh, name)), ...filesAt(path.join(root, name))])
  return [...names]
    .map((file) => path.join(name, file))
    .filter((file) => contentOf(path.join(fresh, file)) !== contentOf(path.join(root, file)))
}

function filesAt(target) {
  if (!existsSync(target)) return []
  try {
    const entries = readdirSync(target, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(target, path.join(entry.parentPath, entry.name)))
  } catch {
    return ['']
  }
}

function contentOf(file) {
  return existsSync(file) ? readFileSync(file, 'latin1') : undefined
}
