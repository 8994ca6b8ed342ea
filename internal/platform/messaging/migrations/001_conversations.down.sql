drop table participants;
drop table conversations;
