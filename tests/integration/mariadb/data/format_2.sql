-- Made by luigi_sinks before its loaders had stored procedures: registry, pointers, views and rows of two datasets.
-- months: two partitions, versions in each state; whole: a dataset without partitions.
-- The test puts its own database in the place of DATABASE.

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
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (0,'name 0',NULL,3);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (1,'name 1',0.25,3);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (2,'name 2',0.5,3);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (3,'name 3',0.75,3);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (4,'name 4',1,3);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (100,'name 100',NULL,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (101,'name 101',25.25,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (102,'name 102',25.5,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (103,'name 103',25.75,4);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (200,'name 200',NULL,5);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (201,'name 201',50.25,5);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (300,'name 300',NULL,6);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (301,'name 301',75.25,6);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (400,'name 400',NULL,7);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (401,'name 401',100.25,7);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (500,'name 500',NULL,8);
INSERT INTO `DATABASE__v`.`months__g1` (`id`, `name`, `amount`, `_seq`) VALUES (501,'name 501',125.25,8);
CREATE TABLE `DATABASE__v`.`months__log` (
  `seq` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `partition` varchar(30) NOT NULL,
  `id` varchar(32) NOT NULL,
  `update_id` text NOT NULL,
  `record` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`record`)),
  `state` varchar(10) GENERATED ALWAYS AS (json_value(`record`,'$.state')) VIRTUAL,
  PRIMARY KEY (`seq`),
  UNIQUE KEY `id` (`id`),
  KEY `partition` (`partition`),
  KEY `update_id` (`update_id`(200))
) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin COMMENT='luigi_sinks registry, format 2';
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (1,'201301','v20261127t163554_hsdgao','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201301\",\"id\":\"v20261127t163554_hsdgao\"},\"seq\":1,\"state\":\"dropped\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":30720,\"started\":213146,\"until\":\"2026-11-27T16:50:55.079364Z\"},\"staged_at\":\"2026-11-27T16:35:55.079429Z\",\"rows\":2,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[{\"name\":\"complete\",\"passed\":true,\"message\":\"\"},{\"name\":\"not_empty\",\"passed\":true,\"message\":\"\"}],\"principal\":\"luigi_sinks\",\"base\":\"\",\"publications\":[{\"epoch\":1,\"at\":\"2026-11-27T16:35:55.437937Z\",\"by\":\"luigi_sinks\",\"why\":\"\"}],\"retired_at\":\"2026-11-27T16:35:55.771891Z\",\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (2,'201301','v20261127t163555_utjb6r','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201301\",\"id\":\"v20261127t163555_utjb6r\"},\"seq\":2,\"state\":\"retired\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":30720,\"started\":213146,\"until\":\"2026-11-27T16:50:55.475947Z\"},\"staged_at\":\"2026-11-27T16:35:55.475981Z\",\"rows\":3,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[{\"name\":\"complete\",\"passed\":true,\"message\":\"\"},{\"name\":\"not_empty\",\"passed\":true,\"message\":\"\"}],\"principal\":\"luigi_sinks\",\"base\":\"\",\"publications\":[{\"epoch\":2,\"at\":\"2026-11-27T16:35:55.701851Z\",\"by\":\"luigi_sinks\",\"why\":\"\"}],\"retired_at\":\"2026-11-27T16:35:56.060029Z\",\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (3,'201301','v20261127t163555_zls7a2','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201301\",\"id\":\"v20261127t163555_zls7a2\"},\"seq\":3,\"state\":\"published\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":30720,\"started\":213146,\"until\":\"2026-11-27T16:50:55.813156Z\"},\"staged_at\":\"2026-11-27T16:35:55.813190Z\",\"rows\":5,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[{\"name\":\"complete\",\"passed\":true,\"message\":\"\"},{\"name\":\"not_empty\",\"passed\":true,\"message\":\"\"}],\"principal\":\"luigi_sinks\",\"base\":\"\",\"publications\":[{\"epoch\":3,\"at\":\"2026-11-27T16:35:56.026411Z\",\"by\":\"luigi_sinks\",\"why\":\"\"}],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (4,'201302','v20261127t163556_dxx5al','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201302\",\"id\":\"v20261127t163556_dxx5al\"},\"seq\":4,\"state\":\"published\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":30720,\"started\":213146,\"until\":\"2026-11-27T16:50:56.333655Z\"},\"staged_at\":\"2026-11-27T16:35:56.333697Z\",\"rows\":4,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[{\"name\":\"complete\",\"passed\":true,\"message\":\"\"},{\"name\":\"not_empty\",\"passed\":true,\"message\":\"\"}],\"principal\":\"luigi_sinks\",\"base\":\"\",\"publications\":[{\"epoch\":1,\"at\":\"2026-11-27T16:35:56.472136Z\",\"by\":\"luigi_sinks\",\"why\":\"\"}],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (5,'201302','v20261127t163556_nfczc2','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201302\",\"id\":\"v20261127t163556_nfczc2\"},\"seq\":0,\"state\":\"staged\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":1,\"started\":1,\"until\":\"2026-01-02T03:04:05Z\"},\"staged_at\":\"2026-11-27T16:35:56.500905Z\",\"rows\":null,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[],\"principal\":\"\",\"base\":\"\",\"publications\":[],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (6,'201302','v20261127t163556_ey4g32','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201302\",\"id\":\"v20261127t163556_ey4g32\"},\"seq\":6,\"state\":\"sealed\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":1,\"started\":1,\"until\":\"2026-01-02T03:04:05Z\"},\"staged_at\":\"2026-11-27T16:35:56.569726Z\",\"rows\":2,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[],\"principal\":\"\",\"base\":\"\",\"publications\":[],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (7,'201302','v20261127t163556_povlee','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201302\",\"id\":\"v20261127t163556_povlee\"},\"seq\":7,\"state\":\"validated\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":1,\"started\":1,\"until\":\"2026-01-02T03:04:05Z\"},\"staged_at\":\"2026-11-27T16:35:56.640253Z\",\"rows\":2,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[],\"principal\":\"\",\"base\":\"\",\"publications\":[],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`months__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (8,'201302','v20261127t163556_q667wb','Months_1','{\"format\":2,\"version\":{\"dataset\":\"months\",\"partition\":\"201302\",\"id\":\"v20261127t163556_q667wb\"},\"seq\":8,\"state\":\"abandoned\",\"origin\":{\"update_id\":\"Months_1\",\"rerun\":\"\",\"partition_by\":[\"month\"],\"family\":\"Months\",\"owner\":\"tests\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":1,\"started\":1,\"until\":\"1970-01-01T00:00:00Z\"},\"staged_at\":\"2026-11-27T16:35:56.784663Z\",\"rows\":null,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[],\"principal\":\"\",\"base\":\"\",\"publications\":[],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
CREATE TABLE `DATABASE__v`.`months__part` (
  `seq` int(10) unsigned NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `row_count` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`seq`,`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (2,0,3);
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (3,0,5);
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (4,0,4);
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (5,0,2);
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (6,0,2);
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (7,0,2);
INSERT INTO `DATABASE__v`.`months__part` (`seq`, `number`, `row_count`) VALUES (8,0,2);
CREATE TABLE `DATABASE__v`.`whole__g1` (
  `id` int(11) NOT NULL,
  `name` varchar(20) NOT NULL,
  `amount` double DEFAULT NULL,
  `_seq` int(10) unsigned NOT NULL,
  PRIMARY KEY (`_seq`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `DATABASE__v`.`whole__g1` (`id`, `name`, `amount`, `_seq`) VALUES (0,'name 0',NULL,1);
INSERT INTO `DATABASE__v`.`whole__g1` (`id`, `name`, `amount`, `_seq`) VALUES (1,'name 1',0.25,1);
INSERT INTO `DATABASE__v`.`whole__g1` (`id`, `name`, `amount`, `_seq`) VALUES (0,'name 0',NULL,2);
INSERT INTO `DATABASE__v`.`whole__g1` (`id`, `name`, `amount`, `_seq`) VALUES (1,'name 1',0.25,2);
INSERT INTO `DATABASE__v`.`whole__g1` (`id`, `name`, `amount`, `_seq`) VALUES (2,'name 2',0.5,2);
CREATE TABLE `DATABASE__v`.`whole__log` (
  `seq` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `partition` varchar(30) NOT NULL,
  `id` varchar(32) NOT NULL,
  `update_id` text NOT NULL,
  `record` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`record`)),
  `state` varchar(10) GENERATED ALWAYS AS (json_value(`record`,'$.state')) VIRTUAL,
  PRIMARY KEY (`seq`),
  UNIQUE KEY `id` (`id`),
  KEY `partition` (`partition`),
  KEY `update_id` (`update_id`(200))
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin COMMENT='luigi_sinks registry, format 2';
INSERT INTO `DATABASE__v`.`whole__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (1,'_all','v20261127t163556_rhjwgk','Whole_1','{\"format\":2,\"version\":{\"dataset\":\"whole\",\"partition\":\"_all\",\"id\":\"v20261127t163556_rhjwgk\"},\"seq\":1,\"state\":\"retired\",\"origin\":{\"update_id\":\"Whole_1\",\"rerun\":\"\",\"partition_by\":[],\"family\":\"Whole\",\"owner\":\"\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":30720,\"started\":213146,\"until\":\"2026-11-27T16:50:56.910434Z\"},\"staged_at\":\"2026-11-27T16:35:56.910494Z\",\"rows\":2,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[{\"name\":\"complete\",\"passed\":true,\"message\":\"\"},{\"name\":\"not_empty\",\"passed\":true,\"message\":\"\"}],\"principal\":\"luigi_sinks\",\"base\":\"\",\"publications\":[{\"epoch\":1,\"at\":\"2026-11-27T16:35:57.089192Z\",\"by\":\"luigi_sinks\",\"why\":\"\"}],\"retired_at\":\"2026-11-27T16:35:57.268561Z\",\"withdrawn\":null,\"pinned\":false}');
INSERT INTO `DATABASE__v`.`whole__log` (`seq`, `partition`, `id`, `update_id`, `record`) VALUES (2,'_all','v20261127t163557_q7evh6','Whole_1','{\"format\":2,\"version\":{\"dataset\":\"whole\",\"partition\":\"_all\",\"id\":\"v20261127t163557_q7evh6\"},\"seq\":2,\"state\":\"published\",\"origin\":{\"update_id\":\"Whole_1\",\"rerun\":\"\",\"partition_by\":[],\"family\":\"Whole\",\"owner\":\"\",\"period\":\"\",\"params\":{}},\"claim\":{\"host\":\"a host\",\"boot\":\"its boot\",\"pid\":30720,\"started\":213146,\"until\":\"2026-11-27T16:50:57.118460Z\"},\"staged_at\":\"2026-11-27T16:35:57.118484Z\",\"rows\":3,\"set_aside\":0,\"schema\":{\"columns\":{\"id\":{\"type\":\"INTEGER\",\"nullable\":false},\"name\":{\"type\":\"VARCHAR(20)\",\"nullable\":false},\"amount\":{\"type\":\"DOUBLE\",\"nullable\":true}},\"unique\":{\"PRIMARY\":[\"id\"]},\"indexes\":{},\"collation\":\"\"},\"checks\":[{\"name\":\"complete\",\"passed\":true,\"message\":\"\"},{\"name\":\"not_empty\",\"passed\":true,\"message\":\"\"}],\"principal\":\"luigi_sinks\",\"base\":\"\",\"publications\":[{\"epoch\":2,\"at\":\"2026-11-27T16:35:57.228446Z\",\"by\":\"luigi_sinks\",\"why\":\"\"}],\"retired_at\":null,\"withdrawn\":null,\"pinned\":false}');
CREATE TABLE `DATABASE__v`.`whole__part` (
  `seq` int(10) unsigned NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `row_count` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`seq`,`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE__v`.`whole__part` (`seq`, `number`, `row_count`) VALUES (1,0,2);
INSERT INTO `DATABASE__v`.`whole__part` (`seq`, `number`, `row_count`) VALUES (2,0,3);
CREATE TABLE `DATABASE`.`months__head` (
  `partition` varchar(30) NOT NULL,
  `seq` int(10) unsigned DEFAULT NULL,
  `version` varchar(32) DEFAULT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`partition`),
  KEY `seq` (`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE`.`months__head` (`partition`, `seq`, `version`, `epoch`) VALUES ('201301',3,'v20261127t163555_zls7a2',3);
INSERT INTO `DATABASE`.`months__head` (`partition`, `seq`, `version`, `epoch`) VALUES ('201302',4,'v20261127t163556_dxx5al',1);
CREATE TABLE `DATABASE`.`whole__head` (
  `partition` varchar(30) NOT NULL,
  `seq` int(10) unsigned DEFAULT NULL,
  `version` varchar(32) DEFAULT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`partition`),
  KEY `seq` (`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
INSERT INTO `DATABASE`.`whole__head` (`partition`, `seq`, `version`, `epoch`) VALUES ('_all',2,'v20261127t163557_q7evh6',2);
CREATE VIEW `DATABASE`.`months` AS select `f`.`id` AS `id`,`f`.`name` AS `name`,`f`.`amount` AS `amount` from (`DATABASE`.`months__head` `h` join `DATABASE__v`.`months__g1` `f` on(`f`.`_seq` = `h`.`seq`));
CREATE VIEW `DATABASE`.`whole` AS select `f`.`id` AS `id`,`f`.`name` AS `name`,`f`.`amount` AS `amount` from `DATABASE__v`.`whole__g1` `f` where `f`.`_seq` = (select `h`.`seq` from `DATABASE`.`whole__head` `h` where `h`.`partition` = '_all');
