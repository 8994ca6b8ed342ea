drop table mailing_recipients;
drop table mailings;
