// npm run gen writes docs/errors.md with this, from the table of reasons in packages/domain.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

const INTRODUCTION = `# Errors

Generated from the table of reasons in [packages/domain](../packages/domain/src/errors/reasons.ts) by \`npm run gen\`; do not edit.

A failed call has a gRPC status code, a message for people, and details for programs: the trailer \`grpc-status-details-bin\` holds a
\`google.rpc.Status\`, which the gRPC libraries of most languages read.

- \`google.rpc.ErrorInfo\` with the domain \`muster\` has the **reason**, one of the words below. A reason keeps its code for good. New reasons may be
  added: a program that does not know one goes by the code.
- \`google.rpc.BadRequest\` names the field at fault by its name in the request message, such as \`csr_der\`.
- \`google.rpc.RetryInfo\` says how long to wait before the same request is worth sending again.

The message is in English and may change; do not parse it. It never holds a secret.

In Go:

\`\`\`go
for _, detail := range status.Convert(err).Details() {
	if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == "muster" {
		reason = info.Reason
	}
}
\`\`\`

## Without a reason

| Code                | Meaning                                                          | Retry                                             |
| ------------------- | ---------------------------------------------------------------- | ------------------------------------------------- |
| \`UNAVAILABLE\`       | The service, or one that it needs, cannot be reached right now.  | with backoff, if the RPC says "safe to repeat"    |
| \`DEADLINE_EXCEEDED\` | The call took too long; it may have taken effect.                | with backoff, if the RPC says "safe to repeat"    |
| \`ABORTED\`           | Another change came in between.                                  | with backoff                                      |
| \`INTERNAL\`          | A fault of the service; its log has the cause under the request. | rarely helps; an agent goes on, with long backoff |
| \`NOT_FOUND\`         | Health checks only: no service of this name.                     | no                                                |

Other codes are answered with a reason. Errors of connecting and of TLS come from the gRPC library of the client.

## Reasons
`

const RETRY = {
  never: 'Do not retry.',
  later: 'Retry later, with backoff.',
  'after-delay': 'Retry after the delay in `google.rpc.RetryInfo`.',
}

/** The text of docs/errors.md. */
export function errorsDocument(reasons) {
  const names = Object.keys(reasons).sort()
  return INTRODUCTION + names.map((name) => section(name, reasons[name])).join('')
}

function section(name, { kind, retry, meaning, next }) {
  const code = kind.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  const advice = typeof next === 'string' ? [asSentence(next)] : Object.entries(next).map(forProgram)
  const list = advice.length === 0 ? '' : `\n${advice.map((line) => `- ${line}\n`).join('')}`
  return `\n### ${name}\n\n\`${code}\`. ${asCode(meaning)} ${RETRY[retry]}\n${list}`
}

function forProgram([program, clause]) {
  return `\`${program}\`: ${asCode(clause)}`
}

function asSentence(clause) {
  return `${clause[0].toUpperCase()}${asCode(clause.slice(1))}.`
}

/** Commands stand in quotation marks in a terminal and as code in a document. */
function asCode(text) {
  return text.replaceAll(/(?<![\w])'([^']+)'(?!\w)/g, '`$1`')
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { REASONS } = await import(path.join(root, 'packages', 'domain', 'dist', 'index.js'))
  writeFileSync(path.join(root, 'docs', 'errors.md'), errorsDocument(REASONS))
}
