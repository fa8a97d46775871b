/** A processor that executables are built for, as Node calls it. */
export type Arch = 'x64' | 'arm64'

/** The processors that executables are built for. */
export const ARCHITECTURES: readonly Arch[] = ['x64', 'arm64']

/**
 * The Node in the executables: the newest of the LTS line 24 that both npm packages carry, and the `dist.integrity` of each.
 * To change it, see RELEASING.md.
 */
export const NODE_RELEASE = {
  version: '24.21.0',
  integrity: {
    x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
} as const satisfies { version: string; integrity: Record<Arch, string> }
