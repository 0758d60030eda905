import { mountPage, Shell } from '../kit/shell';

function TeamPage() {
  return <Shell title="Console">Console</Shell>;
}

mountPage(TeamPage);
