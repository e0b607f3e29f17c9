import type { Command } from 'commander';

const EXAMPLES = `
Examples:
  $ arxiv-native doctor          what was found where, what fits and why not
  $ arxiv-native doctor --json   the same for programs

Exit code 0 if the engine can be used, 1 if not.`;

export function register(program: Command): void {
  program
    .command('doctor')
    .description('examine this machine: compiler, LibTorch, the built addon, devices, caches')
    .option('--json', 'one JSON document on standard output and nothing else there')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: boolean }) => {
      const { examine, formatReport } = await import('../setup/doctor.js');
      const report = await examine();
      process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatReport(report)}\n`);
      process.exitCode = report.usable ? 0 : 1;
    });
}
