// Loaded into a child process by `--require`: writes the processor time that the process took into a file, in milliseconds.
const { writeFileSync } = require('node:fs');

process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  writeFileSync(process.env.REPORT_CPU_TO, String((user + system) / 1_000));
});
