drop table schedule, line, share, job;
