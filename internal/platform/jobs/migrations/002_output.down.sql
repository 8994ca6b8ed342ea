revoke update (failures) on job from public;
drop table output;
alter table schedule drop column paused;
