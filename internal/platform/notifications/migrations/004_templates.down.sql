drop table notification_templates;
