// Compares the contracts with those of the last release, or of main: npm run check calls this.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { localProgram, root } from './bootstrap.mjs'
import { runStep } from './progress.mjs'

const TITLE = 'Contracts against'

/** Fails on a change that breaks a contract. Where the git history has nothing to compare with, it says so and passes. */
export async function checkBreaking() {
  const baseline = lastRelease() ?? mainBranch()
  if (baseline === undefined) {
    console.log(`- ${TITLE} the last release: this checkout has no tag and no main branch to compare with`)
    return
  }
  const archive = path.join(root, 'node_modules', '.cache', 'muster', 'contracts.tar')
  mkdirSync(path.dirname(archive), { recursive: true })
  if (git('archive', '--format=tar', '-o', archive, baseline, 'buf.yaml', 'protos') === undefined) {
    console.log(`- ${TITLE} ${baseline}: this checkout does not have its files`)
    return
  }
  await runStep(`${TITLE} ${baseline}`, localProgram('buf'), ['breaking', '--against', archive], {
    cwd: root,
    onFailure: 'Add fields and RPCs instead of changing them; see "Changes that can be deployed" in CONTRIBUTING.md.',
  })
}

function lastRelease() {
  return git('describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*')
}

/** What others have: the main branch of the remote, or the local one. */
function mainBranch() {
  return ['origin/main', 'main'].find((ref) => git('rev-parse', '--verify', '--quiet', `${ref}^{commit}`) !== undefined)
}

/** What git prints, or undefined if it fails, is not installed, or this is no checkout of git. */
function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
