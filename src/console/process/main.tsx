import { mountPage, Shell } from '../kit/shell';

function ProcessPage() {
  return <Shell title="Process">Process</Shell>;
}

mountPage(ProcessPage);
