--
-- Options of server, user mapping, table and column: what is accepted, and
-- what is refused when it is set.
--

-- Unknown options name the place and list the valid ones.
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (host 'api.crisp.chat');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (password 'x');
CREATE FOREIGN TABLE bad (session_id text) SERVER sandbox2 OPTIONS (table_name 'conversations');
CREATE FOREIGN TABLE bad (session_id text OPTIONS (colname 'id')) SERVER sandbox2;
CREATE FOREIGN DATA WRAPPER bad VALIDATOR crisp_fdw_validator OPTIONS (debug 'true');
-- An option in the wrong place is unknown there.
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (key 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (base_url 'https://api.crisp.chat/v1');

-- base_url
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'api.crisp.chat/v1');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'ftp://api.crisp.chat/v1');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://me:secret@api.crisp.chat/v1');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://api.crisp.chat/v1?x=1');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://api.crisp.chat/v1?');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://api.crisp.chat/v1#');
-- plain http is for loopback addresses
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://api.crisp.chat/v1');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://127.0.0.1.example.com/v1');
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://localhost@example.com/v1');
CREATE SERVER loopback4 FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://127.0.0.1:8080/v1/');
CREATE SERVER loopback6 FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://[::1]:8080/v1');
CREATE SERVER loopback FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://LocalHost/v1');
ALTER SERVER loopback OPTIONS (SET base_url 'http://192.0.2.1/v1');
-- ... unless a superuser says otherwise
ALTER SERVER loopback OPTIONS (SET base_url 'http://192.0.2.1/v1', ADD allow_http 'true');
ALTER SERVER loopback OPTIONS (DROP allow_http);
ALTER SERVER loopback OPTIONS (SET allow_http 'perhaps');
CREATE ROLE regress_crisp_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER crisp_fdw TO regress_crisp_owner;
SET ROLE regress_crisp_owner;
CREATE SERVER bad FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'http://192.0.2.1/v1', allow_http 'true');
CREATE SERVER theirs FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url 'https://192.0.2.1/v1');
RESET ROLE;
DROP SERVER loopback4, loopback6, loopback, theirs;
REVOKE USAGE ON FOREIGN DATA WRAPPER crisp_fdw FROM regress_crisp_owner;
DROP ROLE regress_crisp_owner;

-- numbers, ranges, units
ALTER SERVER sandbox2 OPTIONS (ADD per_page '19');
ALTER SERVER sandbox2 OPTIONS (ADD per_page '51');
ALTER SERVER sandbox2 OPTIONS (ADD per_page 'many');
ALTER SERVER sandbox2 OPTIONS (ADD per_page '20');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '0');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '33');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '-1');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '4.5');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '1e1');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '010');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '0x10');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch ' 8 ');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch 'many');
ALTER SERVER sandbox2 OPTIONS (ADD prefetch '99999999999');
ALTER SERVER sandbox2 OPTIONS (ADD request_timeout '0');
ALTER SERVER sandbox2 OPTIONS (ADD request_timeout '-5s');
ALTER SERVER sandbox2 OPTIONS (ADD request_timeout '2d');
ALTER SERVER sandbox2 OPTIONS (ADD request_timeout '5 parsecs');
ALTER SERVER sandbox2 OPTIONS (ADD request_timeout '1.5min', ADD connect_timeout '250ms');
ALTER SERVER sandbox2 OPTIONS (SET connect_timeout 'soon');
ALTER SERVER sandbox2 OPTIONS (ADD low_speed_limit '-1');
ALTER SERVER sandbox2 OPTIONS (ADD low_speed_limit 'slow');
ALTER SERVER sandbox2 OPTIONS (ADD low_speed_limit '0', ADD low_speed_time '1min');
ALTER SERVER sandbox2 OPTIONS (SET low_speed_time '0');
ALTER SERVER sandbox2 OPTIONS (ADD max_response_size '1023');
ALTER SERVER sandbox2 OPTIONS (ADD max_response_size '256MB');
ALTER SERVER sandbox2 OPTIONS (ADD max_response_size '64 MiB');
ALTER SERVER sandbox2 OPTIONS (ADD max_response_size '255MB');
ALTER SERVER sandbox2 OPTIONS (ADD max_retries '-1');
ALTER SERVER sandbox2 OPTIONS (ADD max_retries '101');
ALTER SERVER sandbox2 OPTIONS (ADD max_retries 'often');
ALTER SERVER sandbox2 OPTIONS (ADD max_retries '0', ADD retry_delay '1ms', ADD retry_budget '0');
ALTER SERVER sandbox2 OPTIONS (SET retry_delay '0');
ALTER SERVER sandbox2 OPTIONS (SET retry_budget '-1');
ALTER SERVER sandbox2 OPTIONS (SET retry_budget '2d');
ALTER SERVER sandbox2 OPTIONS (SET retry_budget 'all');
ALTER SERVER sandbox2 OPTIONS (ADD include_empty 'maybe');
ALTER SERVER sandbox2 OPTIONS (ADD include_empty 'on');
ALTER SERVER sandbox2 OPTIONS (ADD website_id 'my-website');
ALTER SERVER sandbox2 OPTIONS (ADD website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fc');
ALTER SERVER sandbox2 OPTIONS (ADD website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'sandbox2';

-- credentials: nothing of them is repeated
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (tier 'admin');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (identifier '');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (identifier 'iden:tifier');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (key E'se\ncret');
CREATE USER MAPPING FOR CURRENT_USER SERVER sandbox2 OPTIONS (identifier 'a');

-- tables and columns
CREATE FOREIGN TABLE bad (session_id text) SERVER sandbox2 OPTIONS (resource 'chats');
CREATE FOREIGN TABLE bad (people_id text) SERVER sandbox2 OPTIONS (resource 'people_profiles', include_empty 'true');
CREATE FOREIGN TABLE bad (user_id text) SERVER sandbox2 OPTIONS (resource 'operators', per_page '20');
CREATE FOREIGN TABLE bad (session_id text OPTIONS (json_path '')) SERVER sandbox2;
CREATE FOREIGN TABLE bad (session_id text OPTIONS (json_path 'meta..data')) SERVER sandbox2;
CREATE FOREIGN TABLE bad (session_id text OPTIONS (json_path 'meta."data')) SERVER sandbox2;
CREATE FOREIGN TABLE good (session_id text, plan text OPTIONS (json_path 'meta.data."plan.name"'))
  SERVER sandbox2 OPTIONS (resource 'conversations', per_page '20', include_empty 'false',
                            website_id '8C842203-7ED8-4E29-A608-7CF78A7D2FCC');
\d good

-- what is only known when a table is used
SELECT * FROM good;                       -- a user mapping without a key
DROP USER MAPPING FOR CURRENT_USER SERVER sandbox2;
SELECT * FROM good;                       -- no user mapping
CREATE FOREIGN TABLE chats (session_id text) SERVER sandbox2;
SELECT * FROM chats;                      -- no resource
ALTER SERVER sandbox2 OPTIONS (DROP website_id);
CREATE FOREIGN TABLE operators (user_id text) SERVER sandbox2;
SELECT * FROM operators;                  -- no website
\set VERBOSITY sqlstate
SELECT * FROM operators;
\set VERBOSITY default
DROP FOREIGN TABLE good, chats, operators;

-- it is read-only
CREATE FOREIGN TABLE operators (user_id text) SERVER sandbox2
  OPTIONS (website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');
INSERT INTO operators VALUES ('x');
UPDATE operators SET user_id = 'x';
DELETE FROM operators;
DROP FOREIGN TABLE operators;
