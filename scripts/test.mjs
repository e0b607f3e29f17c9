// npm test: sets up what is missing, then runs every check and every test. Arguments go to vitest.
import { buildEverything, installDependencies, run } from './prepare.mjs';

installDependencies();
run('npm', 'run', '--silent', 'check');
buildEverything();
run('npx', 'vitest', 'run', ...process.argv.slice(2));
