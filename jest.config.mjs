export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{packages,services,test}/**/src/**/*.test.ts'],
  // One Postgres and one Redis for the whole run, which take about a second, and one cluster once a test asks for it.
  globalSetup: '<rootDir>/test/dist/harness/global-setup.js',
  globalTeardown: '<rootDir>/test/dist/harness/global-teardown.js',
  // Tests run the sources that stand beside them, and so does all that they import; programs that they start are built.
  moduleNameMapper: {
    '^@muster/domain/safe-text$': '<rootDir>/packages/domain/src/values/safe-text.ts',
    '^@muster/(\\w[\\w-]*)$': ['<rootDir>/packages/$1/src/index.ts', '<rootDir>/services/$1/src/app.ts'],
    '^@muster/(\\w[\\w-]*)/(\\w+)$': '<rootDir>/packages/$1/src/$2.ts',
  },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  // Longer than the limits in packages/testkit/src/limits.ts, whose errors say what did not happen.
  testTimeout: 180_000,
  testSequencer: '<rootDir>/test/sequencer.mjs',
  // Two more than the cores that there may be: most tests wait a good part of their time.
  maxWorkers: 4,
}
