-- Made by luigi_sinks 0.1; holds the registry, pointers, views and rows of three datasets.
-- months: two partitions, versions in each state, of which two of 201301 are `published`, as a crash
-- between publication and retirement leaves them; kinds: a whole dataset with columns of many types;
-- frozen: the first load failed. The test puts its own database in the place of DATABASE.

CREATE TABLE `DATABASE__v`.`frozen__g1` (
  `id` varchar(3) NOT NULL,
  `_seq` int(10) unsigned NOT NULL,
  PRIMARY KEY (`_seq`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE `DATABASE__v`.`kinds__g1` (
  `id` int(11) NOT NULL,
  `flag` tinyint(1) DEFAULT NULL,
  `real` float DEFAULT NULL,
  `double` double DEFAULT NULL,
  `price` decimal(8,2) DEFAULT NULL,
  `text` text DEFAULT NULL,
  `day` date DEFAULT NULL,
  `at` datetime(6) DEFAULT NULL,
  `time` time(3) DEFAULT NULL,
  `blob` blob DEFAULT NULL,
  `json` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`json`)),
  `uuid` uuid DEFAULT NULL,
  `kind` enum('a','B c') DEFAULT NULL,
  `twice` int(11) GENERATED ALWAYS AS (`id` * 2) VIRTUAL,
  `_seq` int(10) unsigned NOT NULL,
  PRIMARY KEY (`_seq`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `DATABASE__v`.`kinds__g1` (`id`, `flag`, `real`, `double`, `price`, `text`, `day`, `at`, `time`, `blob`, `json`, `uuid`, `kind`, `twice`, `_seq`) VALUES (1,1,0.1,0.1,12.50,'Zürich 	🛫','2013-01-31','2013-01-31 01:02:03.000004','01:02:03.004',0x00FF,'{\"a\":[1,null,\"x\"]}','00000000-0000-0000-0000-000000000007','B c',DEFAULT,10);
INSERT INTO `DATABASE__v`.`kinds__g1` (`id`, `flag`, `real`, `double`, `price`, `text`, `day`, `at`, `time`, `blob`, `json`, `uuid`, `kind`, `twice`, `_seq`) VALUES (2,0,0.1,0.1,12.50,'Zürich 	🛫','2013-01-31','2013-01-31 01:02:03.000004','01:02:03.004',0x00FF,'{\"a\":[1,null,\"x\"]}','00000000-0000-0000-0000-000000000007','B c',DEFAULT,11);
INSERT INTO `DATABASE__v`.`kinds__g1` (`id`, `flag`, `real`, `double`, `price`, `text`, `day`, `at`, `time`, `blob`, `json`, `uuid`, `kind`, `twice`, `_seq`) VALUES (3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,DEFAULT,11);
CREATE TABLE `DATABASE__v`.`months__g1` (
  `id` int(11) NOT NULL,
  `name` varchar(20) NOT NULL,
  `amount` double DEFAULT NULL,
  `_seq` int(10) unsigned NOT NULL,
  PRIMARY KEY (`_seq`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (0,'name 0',NULL,2);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (1,'name 1',0.25,2);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (2,'name 2',0.5,2);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (0,'name 0',NULL,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (1,'name 1',0.25,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (2,'name 2',0.5,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (3,'name 3',0.75,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (4,'name 4',1,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (100,'name 100',NULL,5);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (101,'name 101',25.25,5);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (102,'name 102',25.5,5);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (103,'name 103',25.75,5);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (100,'name 100',NULL,6);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (100,'name 100',NULL,7);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (101,'name 101',25.25,7);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (100,'name 100',NULL,8);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (101,'name 101',25.25,8);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (102,'name 102',25.5,8);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (100,'name 100',NULL,9);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (101,'name 101',25.25,9);
CREATE TABLE `DATABASE__v`.`_parts` (
  `seq` int(10) unsigned NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `row_count` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`seq`,`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (2,0,3);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (4,0,5);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (5,0,4);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (6,0,1);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (7,0,2);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (8,0,3);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (9,0,2);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (10,0,1);
INSERT INTO `DATABASE__v`.`_parts` (`seq`, `number`, `row_count`) VALUES (11,0,2);
CREATE TABLE `DATABASE__v`.`_versions` (
  `seq` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `dataset` varchar(64) NOT NULL,
  `part` varchar(30) NOT NULL,
  `id` varchar(32) NOT NULL,
  `state` varchar(10) NOT NULL,
  `row_count` bigint(20) unsigned DEFAULT NULL,
  `staged_at` datetime(6) NOT NULL,
  `published_at` datetime(6) DEFAULT NULL,
  `update_id` text NOT NULL,
  `origin` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`origin`)),
  `lease` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`lease`)),
  PRIMARY KEY (`seq`),
  UNIQUE KEY `dataset` (`dataset`,`id`),
  KEY `dataset_2` (`dataset`,`part`),
  KEY `dataset_3` (`dataset`,`update_id`(200))
) ENGINE=InnoDB AUTO_INCREMENT=13 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (1,'months','201301','v20261127t114328_5ag73z','dropped',2,'2026-11-27 11:43:28.806931','2026-11-27 11:43:28.833395','Months_2013-01','{\"update_id\":\"Months_2013-01\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-01\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:28.806915Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (2,'months','201301','v20261127t114328_6rrjqx','published',3,'2026-11-27 11:43:28.835364','2026-11-27 11:43:28.874415','Months_2013-01','{\"update_id\":\"Months_2013-01\",\"rerun\":\"again\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-01\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:28.835355Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (3,'months','201301','v20261127t114328_rt74ot','failed',NULL,'2026-11-27 11:43:28.894773',NULL,'Months_2013-01','{\"update_id\":\"Months_2013-01\",\"rerun\":\"bad\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-01\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:28.894760Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (4,'months','201301','v20261127t114328_mjupvh','published',5,'2026-11-27 11:43:28.917158','2026-11-27 11:43:28.945036','Months_2013-01','{\"update_id\":\"Months_2013-01\",\"rerun\":\"crash\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-01\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 1, \"started\": 1, \"until\": \"2026-01-02T00:00:00Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (5,'months','201302','v20261127t114328_lkq2e3','published',4,'2026-11-27 11:43:28.950743','2026-11-27 11:43:29.028452','Months_2013-02','{\"update_id\":\"Months_2013-02\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-02\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:28.950726Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (6,'months','201302','v20261127t114329_akxpf2','staged',NULL,'2026-11-27 11:43:29.030382',NULL,'Months_2013-02','{\"update_id\":\"Months_2013-02\",\"rerun\":\"staged\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-02\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 1, \"started\": 1, \"until\": \"2026-01-02T00:00:00Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (7,'months','201302','v20261127t114329_sb45mg','staged',2,'2026-11-27 11:43:29.048505',NULL,'Months_2013-02','{\"update_id\":\"Months_2013-02\",\"rerun\":\"sealed\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-02\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 1, \"started\": 1, \"until\": \"2026-01-02T00:00:00Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (8,'months','201302','v20261127t114329_6ym4zp','validated',3,'2026-11-27 11:43:29.064893',NULL,'Months_2013-02','{\"update_id\":\"Months_2013-02\",\"rerun\":\"validated\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-02\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 1, \"started\": 1, \"until\": \"2026-01-02T00:00:00Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (9,'months','201302','v20261127t114329_x64o6v','abandoned',NULL,'2026-11-27 11:43:29.103430',NULL,'Months_2013-02','{\"update_id\":\"Months_2013-02\",\"rerun\":\"left\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{\"month\":\"2013-02\",\"note\":\"it\'s \\\"é\\\" \\\\ 🛫\"}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 1, \"started\": 1, \"until\": \"1970-01-01T00:00:00Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (10,'kinds','_all','v20261127t114329_ysxwrz','retired',1,'2026-11-27 11:43:29.155088','2026-11-27 11:43:29.219748','Kinds_1','{\"update_id\":\"Kinds_1\",\"rerun\":\"\",\"partition_by\":[],\"family\":\"Kinds\",\"owner\":\"\",\"period\":\"\",\"params\":{}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:29.155069Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (11,'kinds','_all','v20261127t114329_sec7ym','published',2,'2026-11-27 11:43:29.225238','2026-11-27 11:43:29.244865','Kinds_2','{\"update_id\":\"Kinds_2\",\"rerun\":\"\",\"partition_by\":[],\"family\":\"Kinds\",\"owner\":\"\",\"period\":\"\",\"params\":{}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:29.225229Z\"}');
INSERT INTO `DATABASE__v`.`_versions` (`seq`, `dataset`, `part`, `id`, `state`, `row_count`, `staged_at`, `published_at`, `update_id`, `origin`, `lease`) VALUES (12,'frozen','_all','v20261127t114329_kw5cxj','failed',NULL,'2026-11-27 11:43:29.250157',NULL,'Frozen_1','{\"update_id\":\"Frozen_1\",\"rerun\":\"\",\"partition_by\":[],\"family\":\"Frozen\",\"owner\":\"\",\"period\":\"\",\"params\":{}}','{\"host\": \"a host\", \"boot\": \"its boot\", \"pid\": 9482, \"started\": 388007, \"until\": \"2026-11-27T11:58:29.250147Z\"}');
CREATE TABLE `DATABASE`.`frozen__head` (
  `part` varchar(30) NOT NULL,
  `seq` int(10) unsigned DEFAULT NULL,
  `version` varchar(32) DEFAULT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`part`),
  KEY `seq` (`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
CREATE TABLE `DATABASE`.`kinds__head` (
  `part` varchar(30) NOT NULL,
  `seq` int(10) unsigned DEFAULT NULL,
  `version` varchar(32) DEFAULT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`part`),
  KEY `seq` (`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE`.`kinds__head` (`part`, `seq`, `version`, `epoch`) VALUES ('_all',11,'v20261127t114329_sec7ym',2);
CREATE TABLE `DATABASE`.`months__head` (
  `part` varchar(30) NOT NULL,
  `seq` int(10) unsigned DEFAULT NULL,
  `version` varchar(32) DEFAULT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`part`),
  KEY `seq` (`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE`.`months__head` (`part`, `seq`, `version`, `epoch`) VALUES ('201301',4,'v20261127t114328_mjupvh',3);
INSERT INTO `DATABASE`.`months__head` (`part`, `seq`, `version`, `epoch`) VALUES ('201302',5,'v20261127t114328_lkq2e3',1);
CREATE VIEW `DATABASE`.`frozen` AS select `f`.`id` AS `id` from `DATABASE__v`.`frozen__g1` `f` where `f`.`_seq` = (select `h`.`seq` from `DATABASE`.`frozen__head` `h` where `h`.`part` = '_all');
CREATE VIEW `DATABASE`.`kinds` AS select `f`.`id` AS `id`,`f`.`flag` AS `flag`,`f`.`real` AS `real`,`f`.`double` AS `double`,`f`.`price` AS `price`,`f`.`text` AS `text`,`f`.`day` AS `day`,`f`.`at` AS `at`,`f`.`time` AS `time`,`f`.`blob` AS `blob`,`f`.`json` AS `json`,`f`.`uuid` AS `uuid`,`f`.`kind` AS `kind`,`f`.`twice` AS `twice` from `DATABASE__v`.`kinds__g1` `f` where `f`.`_seq` = (select `h`.`seq` from `DATABASE`.`kinds__head` `h` where `h`.`part` = '_all');
CREATE VIEW `DATABASE`.`months` AS select `f`.`id` AS `id`,`f`.`name` AS `name`,`f`.`amount` AS `amount` from (`DATABASE`.`months__head` `h` join `DATABASE__v`.`months__g1` `f` on(`f`.`_seq` = `h`.`seq`));
