drop table message_order;
drop table messages;
