drop table notification_mails;
