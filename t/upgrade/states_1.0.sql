--
-- PostgreSQL database dump
--


-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: copies; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA copies;


--
-- Name: crisp; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA crisp;


--
-- Name: plain; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA plain;


--
-- Name: tools; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA tools;


--
-- Name: crisp_fdw; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS crisp_fdw WITH SCHEMA tools;


--
-- Name: EXTENSION crisp_fdw; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION crisp_fdw IS 'foreign data wrapper for Crisp, the customer chat';


--
-- Name: plain; Type: SERVER; Schema: -; Owner: -
--

CREATE SERVER plain FOREIGN DATA WRAPPER crisp_fdw OPTIONS (
    base_url 'http://127.0.0.1:46709/v1',
    prefetch '1',
    website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc'
);


--
-- Name: USER MAPPING postgres SERVER plain; Type: USER MAPPING; Schema: -; Owner: -
--

CREATE USER MAPPING FOR postgres SERVER plain OPTIONS (
    identifier '56a80adf-1630-4103-963a-7cbb0279fc13',
    key '-',
    tier 'website'
);


--
-- Name: support; Type: SERVER; Schema: -; Owner: -
--

CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (
    base_url 'http://127.0.0.1:46709/v1',
    prefetch '1',
    website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc'
);


--
-- Name: USER MAPPING postgres SERVER support; Type: USER MAPPING; Schema: -; Owner: -
--

CREATE USER MAPPING FOR postgres SERVER support OPTIONS (
    identifier '56a80adf-1630-4103-963a-7cbb0279fc13',
    key '-',
    tier 'website'
);


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: begun; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.begun (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: begun_bigint; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.begun_bigint (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last bigint,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp bigint,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp bigint,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at bigint,
    updated_at bigint,
    waiting_since bigint,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: by_creation; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.by_creation (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: campaigns; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.campaigns (
    campaign_id text NOT NULL,
    website_id text,
    type text,
    format text,
    name text,
    subject text,
    tag text,
    ready boolean,
    dispatched boolean,
    running boolean,
    progress double precision,
    targets bigint,
    reached bigint,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    dispatched_at timestamp with time zone,
    sender_user_id text,
    recipients_type text,
    recipients_segments text[],
    recipients_people text[],
    recipients_filter jsonb,
    flow_launch_event text,
    flow_assert_filter jsonb,
    flow_assert_delay bigint,
    flow_deliver_once boolean,
    flow_deliver_delay bigint,
    message text,
    options_deliver_to_chatbox boolean,
    options_deliver_to_email boolean,
    options_sender_name_website boolean,
    options_sender_email_reply boolean,
    options_tracking boolean,
    statistics_opened bigint,
    statistics_clicked bigint,
    statistics_unsubscribed bigint,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: done; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.done (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: done_bigint; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.done_bigint (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last bigint,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp bigint,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp bigint,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at bigint,
    updated_at bigint,
    waiting_since bigint,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: emptied; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.emptied (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: failed; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.failed (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: first_load; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.first_load (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: forgotten; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.forgotten (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: loaded; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.loaded (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: messages; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.messages (
    session_id text NOT NULL,
    website_id text,
    fingerprint bigint NOT NULL,
    "timestamp" timestamp with time zone,
    type text,
    "from" text,
    origin text,
    content text,
    content_json jsonb,
    preview jsonb,
    mentions text[],
    read text,
    delivered text,
    ignored jsonb,
    edited boolean,
    translated boolean,
    automated boolean,
    stamped boolean,
    user_type text,
    user_user_id text,
    user_nickname text,
    user_avatar text,
    "references" jsonb,
    original_original_id text,
    properties jsonb,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: messages_small; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.messages_small (
    session_id text NOT NULL,
    website_id text,
    fingerprint bigint NOT NULL,
    "timestamp" timestamp with time zone,
    type text,
    "from" text,
    origin text,
    content text,
    content_json jsonb,
    preview jsonb,
    mentions text[],
    read text,
    delivered text,
    ignored jsonb,
    edited boolean,
    translated boolean,
    automated boolean,
    stamped boolean,
    user_type text,
    user_user_id text,
    user_nickname text,
    user_avatar text,
    "references" jsonb,
    original_original_id text,
    properties jsonb,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: newer; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.newer (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: newer_begun; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.newer_begun (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: older_begun; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.older_begun (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: operators; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.operators (
    type text,
    user_id text NOT NULL,
    website_id text,
    email text,
    avatar text,
    first_name text,
    last_name text,
    role text,
    title text,
    availability text,
    has_token boolean,
    identifier text,
    key text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: people; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.people (
    people_id text NOT NULL,
    website_id text,
    email text,
    person_nickname text,
    person_avatar text,
    person_gender text,
    person_phone text,
    person_address text,
    person_description text,
    person_website text,
    person_timezone bigint,
    person_profiles jsonb,
    person_employment_name text,
    person_employment_domain text,
    person_employment_title text,
    person_employment_role text,
    person_employment_seniority text,
    person_geolocation_country text,
    person_geolocation_region text,
    person_geolocation_city text,
    person_geolocation_coordinates_latitude double precision,
    person_geolocation_coordinates_longitude double precision,
    person_locales text[],
    company_name text,
    company_legal_name text,
    company_domain text,
    company_url text,
    company_description text,
    company_timezone bigint,
    company_phones text[],
    company_emails text[],
    company_tags text[],
    company_geolocation_country text,
    company_geolocation_region text,
    company_geolocation_city text,
    company_geolocation_coordinates_latitude double precision,
    company_geolocation_coordinates_longitude double precision,
    company_metrics_employees double precision,
    company_metrics_market_cap double precision,
    company_metrics_raised double precision,
    company_metrics_arr double precision,
    segments text[],
    notepad text,
    active_now boolean,
    active_last timestamp with time zone,
    score double precision,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: people_begun; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.people_begun (
    people_id text NOT NULL,
    website_id text,
    email text,
    person_nickname text,
    person_avatar text,
    person_gender text,
    person_phone text,
    person_address text,
    person_description text,
    person_website text,
    person_timezone bigint,
    person_profiles jsonb,
    person_employment_name text,
    person_employment_domain text,
    person_employment_title text,
    person_employment_role text,
    person_employment_seniority text,
    person_geolocation_country text,
    person_geolocation_region text,
    person_geolocation_city text,
    person_geolocation_coordinates_latitude double precision,
    person_geolocation_coordinates_longitude double precision,
    person_locales text[],
    company_name text,
    company_legal_name text,
    company_domain text,
    company_url text,
    company_description text,
    company_timezone bigint,
    company_phones text[],
    company_emails text[],
    company_tags text[],
    company_geolocation_country text,
    company_geolocation_region text,
    company_geolocation_city text,
    company_geolocation_coordinates_latitude double precision,
    company_geolocation_coordinates_longitude double precision,
    company_metrics_employees double precision,
    company_metrics_market_cap double precision,
    company_metrics_raised double precision,
    company_metrics_arr double precision,
    segments text[],
    notepad text,
    active_now boolean,
    active_last timestamp with time zone,
    score double precision,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: people_bigint; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.people_bigint (
    people_id text NOT NULL,
    website_id text,
    email text,
    person_nickname text,
    person_avatar text,
    person_gender text,
    person_phone text,
    person_address text,
    person_description text,
    person_website text,
    person_timezone bigint,
    person_profiles jsonb,
    person_employment_name text,
    person_employment_domain text,
    person_employment_title text,
    person_employment_role text,
    person_employment_seniority text,
    person_geolocation_country text,
    person_geolocation_region text,
    person_geolocation_city text,
    person_geolocation_coordinates_latitude double precision,
    person_geolocation_coordinates_longitude double precision,
    person_locales text[],
    company_name text,
    company_legal_name text,
    company_domain text,
    company_url text,
    company_description text,
    company_timezone bigint,
    company_phones text[],
    company_emails text[],
    company_tags text[],
    company_geolocation_country text,
    company_geolocation_region text,
    company_geolocation_city text,
    company_geolocation_coordinates_latitude double precision,
    company_geolocation_coordinates_longitude double precision,
    company_metrics_employees double precision,
    company_metrics_market_cap double precision,
    company_metrics_raised double precision,
    company_metrics_arr double precision,
    segments text[],
    notepad text,
    active_now boolean,
    active_last bigint,
    score double precision,
    created_at bigint,
    updated_at bigint,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: people_newer; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.people_newer (
    people_id text NOT NULL,
    website_id text,
    email text,
    person_nickname text,
    person_avatar text,
    person_gender text,
    person_phone text,
    person_address text,
    person_description text,
    person_website text,
    person_timezone bigint,
    person_profiles jsonb,
    person_employment_name text,
    person_employment_domain text,
    person_employment_title text,
    person_employment_role text,
    person_employment_seniority text,
    person_geolocation_country text,
    person_geolocation_region text,
    person_geolocation_city text,
    person_geolocation_coordinates_latitude double precision,
    person_geolocation_coordinates_longitude double precision,
    person_locales text[],
    company_name text,
    company_legal_name text,
    company_domain text,
    company_url text,
    company_description text,
    company_timezone bigint,
    company_phones text[],
    company_emails text[],
    company_tags text[],
    company_geolocation_country text,
    company_geolocation_region text,
    company_geolocation_city text,
    company_geolocation_coordinates_latitude double precision,
    company_geolocation_coordinates_longitude double precision,
    company_metrics_employees double precision,
    company_metrics_market_cap double precision,
    company_metrics_raised double precision,
    company_metrics_arr double precision,
    segments text[],
    notepad text,
    active_now boolean,
    active_last timestamp with time zone,
    score double precision,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: spans; Type: TABLE; Schema: copies; Owner: -
--

CREATE TABLE copies.spans (
    session_id text NOT NULL,
    website_id text,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    _synced_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: campaigns; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.campaigns (
    campaign_id text NOT NULL,
    website_id text NOT NULL,
    type text,
    format text,
    name text,
    subject text,
    tag text,
    ready boolean,
    dispatched boolean,
    running boolean,
    progress double precision,
    targets bigint,
    reached bigint,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    dispatched_at timestamp with time zone,
    sender_user_id text,
    recipients_type text,
    recipients_segments text[],
    recipients_people text[],
    recipients_filter jsonb,
    flow_launch_event text,
    flow_assert_filter jsonb,
    flow_assert_delay bigint,
    flow_deliver_once boolean,
    flow_deliver_delay bigint,
    message text,
    options_deliver_to_chatbox boolean,
    options_deliver_to_email boolean,
    options_sender_name_website boolean,
    options_sender_email_reply boolean,
    options_tracking boolean,
    statistics_opened bigint,
    statistics_clicked bigint,
    statistics_unsubscribed bigint,
    filter_status text
)
SERVER support
OPTIONS (
    resource 'campaigns'
);


--
-- Name: conversation_segments; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.conversation_segments (
    segment text NOT NULL,
    website_id text NOT NULL,
    count bigint
)
SERVER support
OPTIONS (
    resource 'conversation_segments'
);


--
-- Name: conversations; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.conversations (
    session_id text NOT NULL,
    website_id text NOT NULL,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last timestamp with time zone,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp timestamp with time zone,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp timestamp with time zone,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    waiting_since timestamp with time zone,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    search_query text
)
SERVER support
OPTIONS (
    resource 'conversations'
);


--
-- Name: inboxes; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.inboxes (
    inbox_id text NOT NULL,
    website_id text NOT NULL,
    name text,
    emoji text,
    "order" bigint,
    operators text[],
    teams text[],
    team_operators text[],
    conditions jsonb,
    operator text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone
)
SERVER support
OPTIONS (
    resource 'inboxes'
);


--
-- Name: messages; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.messages (
    session_id text NOT NULL,
    website_id text NOT NULL,
    fingerprint bigint NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    type text,
    "from" text,
    origin text,
    content text,
    content_json jsonb,
    preview jsonb,
    mentions text[],
    read text,
    delivered text,
    ignored jsonb,
    edited boolean,
    translated boolean,
    automated boolean,
    stamped boolean,
    user_type text,
    user_user_id text,
    user_nickname text,
    user_avatar text,
    "references" jsonb,
    original_original_id text,
    properties jsonb,
    stealth boolean
)
SERVER support
OPTIONS (
    resource 'messages'
);


--
-- Name: operators; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.operators (
    type text,
    user_id text NOT NULL,
    website_id text NOT NULL,
    email text,
    avatar text,
    first_name text,
    last_name text,
    role text,
    title text,
    availability text,
    has_token boolean,
    identifier text,
    key text
)
SERVER support
OPTIONS (
    resource 'operators'
);


--
-- Name: people_conversations; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.people_conversations (
    people_id text NOT NULL,
    session_id text NOT NULL,
    website_id text NOT NULL
)
SERVER support
OPTIONS (
    resource 'people_conversations'
);


--
-- Name: people_data; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.people_data (
    people_id text NOT NULL,
    email text,
    data jsonb,
    website_id text NOT NULL
)
SERVER support
OPTIONS (
    resource 'people_data'
);


--
-- Name: people_events; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.people_events (
    people_id text NOT NULL,
    "timestamp" timestamp with time zone,
    text text,
    color text,
    data jsonb,
    website_id text NOT NULL
)
SERVER support
OPTIONS (
    resource 'people_events'
);


--
-- Name: people_profiles; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.people_profiles (
    people_id text NOT NULL,
    website_id text NOT NULL,
    email text,
    person_nickname text,
    person_avatar text,
    person_gender text,
    person_phone text,
    person_address text,
    person_description text,
    person_website text,
    person_timezone bigint,
    person_profiles jsonb,
    person_employment_name text,
    person_employment_domain text,
    person_employment_title text,
    person_employment_role text,
    person_employment_seniority text,
    person_geolocation_country text,
    person_geolocation_region text,
    person_geolocation_city text,
    person_geolocation_coordinates_latitude double precision,
    person_geolocation_coordinates_longitude double precision,
    person_locales text[],
    company_name text,
    company_legal_name text,
    company_domain text,
    company_url text,
    company_description text,
    company_timezone bigint,
    company_phones text[],
    company_emails text[],
    company_tags text[],
    company_geolocation_country text,
    company_geolocation_region text,
    company_geolocation_city text,
    company_geolocation_coordinates_latitude double precision,
    company_geolocation_coordinates_longitude double precision,
    company_metrics_employees double precision,
    company_metrics_market_cap double precision,
    company_metrics_raised double precision,
    company_metrics_arr double precision,
    segments text[],
    notepad text,
    active_now boolean,
    active_last timestamp with time zone,
    score double precision,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    search_query text
)
SERVER support
OPTIONS (
    resource 'people_profiles'
);


--
-- Name: people_segments; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.people_segments (
    segment text NOT NULL,
    website_id text NOT NULL,
    count bigint
)
SERVER support
OPTIONS (
    resource 'people_segments'
);


--
-- Name: visitors; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.visitors (
    session_id text NOT NULL,
    website_id text NOT NULL,
    inbox_id text,
    nickname text,
    email text,
    avatar text,
    useragent text,
    initiated boolean,
    active boolean,
    last_page_page_title text,
    last_page_page_url text,
    geolocation_country text,
    geolocation_region text,
    geolocation_city text,
    geolocation_coordinates_latitude double precision,
    geolocation_coordinates_longitude double precision,
    timezone bigint,
    capabilities text[],
    locales text[]
)
SERVER support
OPTIONS (
    resource 'visitors'
);


--
-- Name: visitors_count; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.visitors_count (
    website_id text NOT NULL,
    count bigint,
    active bigint,
    limited boolean
)
SERVER support
OPTIONS (
    resource 'visitors_count'
);


--
-- Name: websites; Type: FOREIGN TABLE; Schema: crisp; Owner: -
--

CREATE FOREIGN TABLE crisp.websites (
    website_id text NOT NULL,
    name text,
    domain text,
    logo text,
    verified boolean,
    institutional boolean,
    price double precision,
    token text,
    settings jsonb,
    plan_id text,
    plan_name text,
    plan_trialing boolean,
    difference text
)
SERVER support
OPTIONS (
    resource 'websites'
);


--
-- Name: campaigns; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.campaigns (
    campaign_id text NOT NULL,
    website_id text NOT NULL,
    type text,
    format text,
    name text,
    subject text,
    tag text,
    ready boolean,
    dispatched boolean,
    running boolean,
    progress double precision,
    targets bigint,
    reached bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    dispatched_at bigint,
    sender_user_id text,
    recipients_type text,
    recipients_segments text[],
    recipients_people text[],
    recipients_filter jsonb,
    flow_launch_event text,
    flow_assert_filter jsonb,
    flow_assert_delay bigint,
    flow_deliver_once boolean,
    flow_deliver_delay bigint,
    message text,
    options_deliver_to_chatbox boolean,
    options_deliver_to_email boolean,
    options_sender_name_website boolean,
    options_sender_email_reply boolean,
    options_tracking boolean,
    statistics_opened bigint,
    statistics_clicked bigint,
    statistics_unsubscribed bigint,
    filter_status text
)
SERVER plain
OPTIONS (
    resource 'campaigns'
);


--
-- Name: conversation_segments; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.conversation_segments (
    segment text NOT NULL,
    website_id text NOT NULL,
    count bigint
)
SERVER plain
OPTIONS (
    resource 'conversation_segments'
);


--
-- Name: conversations; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.conversations (
    session_id text NOT NULL,
    website_id text NOT NULL,
    inbox_id text,
    people_id text,
    state text,
    status bigint,
    is_verified boolean,
    is_blocked boolean,
    availability text,
    active_now boolean,
    active_last bigint,
    last_message text,
    preview_message_type text,
    preview_message_from text,
    preview_message_excerpt text,
    preview_message_fingerprint bigint,
    topic text,
    verifications jsonb,
    participants jsonb,
    mentions text[],
    compose_operator_type text,
    compose_operator_excerpt text,
    compose_operator_timestamp bigint,
    compose_operator_user_user_id text,
    compose_operator_user_nickname text,
    compose_operator_user_avatar text,
    compose_operator_automated boolean,
    compose_visitor_type text,
    compose_visitor_excerpt text,
    compose_visitor_timestamp bigint,
    compose_visitor_user_user_id text,
    compose_visitor_user_nickname text,
    compose_visitor_user_avatar text,
    compose_visitor_automated boolean,
    unread_operator bigint,
    unread_visitor bigint,
    assigned_user_id text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    waiting_since bigint,
    meta_nickname text,
    meta_email text,
    meta_phone text,
    meta_address text,
    meta_subject text,
    meta_ip text,
    meta_origin text,
    meta_avatar text,
    meta_segments text[],
    meta_data jsonb,
    meta_connection_isp text,
    meta_connection_asn text,
    meta_device_capabilities text[],
    meta_device_locales text[],
    meta_device_timezone bigint,
    meta_device_geolocation_country text,
    meta_device_geolocation_region text,
    meta_device_geolocation_city text,
    meta_device_geolocation_coordinates_latitude double precision,
    meta_device_geolocation_coordinates_longitude double precision,
    meta_device_system_os_name text,
    meta_device_system_os_version text,
    meta_device_system_engine_name text,
    meta_device_system_engine_version text,
    meta_device_system_browser_name text,
    meta_device_system_browser_major text,
    meta_device_system_browser_version text,
    meta_device_system_useragent text,
    search_query text
)
SERVER plain
OPTIONS (
    resource 'conversations'
);


--
-- Name: inboxes; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.inboxes (
    inbox_id text NOT NULL,
    website_id text NOT NULL,
    name text,
    emoji text,
    "order" bigint,
    operators text[],
    teams text[],
    team_operators text[],
    conditions jsonb,
    operator text,
    created_at bigint,
    updated_at bigint
)
SERVER plain
OPTIONS (
    resource 'inboxes'
);


--
-- Name: messages; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.messages (
    session_id text NOT NULL,
    website_id text NOT NULL,
    fingerprint bigint NOT NULL,
    "timestamp" bigint NOT NULL,
    type text,
    "from" text,
    origin text,
    content text,
    content_json jsonb,
    preview jsonb,
    mentions text[],
    read text,
    delivered text,
    ignored jsonb,
    edited boolean,
    translated boolean,
    automated boolean,
    stamped boolean,
    user_type text,
    user_user_id text,
    user_nickname text,
    user_avatar text,
    "references" jsonb,
    original_original_id text,
    properties jsonb,
    stealth boolean
)
SERVER plain
OPTIONS (
    resource 'messages'
);


--
-- Name: operators; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.operators (
    type text,
    user_id text NOT NULL,
    website_id text NOT NULL,
    email text,
    avatar text,
    first_name text,
    last_name text,
    role text,
    title text,
    availability text,
    has_token boolean,
    identifier text,
    key text
)
SERVER plain
OPTIONS (
    resource 'operators'
);


--
-- Name: people_conversations; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.people_conversations (
    people_id text NOT NULL,
    session_id text NOT NULL,
    website_id text NOT NULL
)
SERVER plain
OPTIONS (
    resource 'people_conversations'
);


--
-- Name: people_data; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.people_data (
    people_id text NOT NULL,
    email text,
    data jsonb,
    website_id text NOT NULL
)
SERVER plain
OPTIONS (
    resource 'people_data'
);


--
-- Name: people_events; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.people_events (
    people_id text NOT NULL,
    "timestamp" bigint,
    text text,
    color text,
    data jsonb,
    website_id text NOT NULL
)
SERVER plain
OPTIONS (
    resource 'people_events'
);


--
-- Name: people_profiles; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.people_profiles (
    people_id text NOT NULL,
    website_id text NOT NULL,
    email text,
    person_nickname text,
    person_avatar text,
    person_gender text,
    person_phone text,
    person_address text,
    person_description text,
    person_website text,
    person_timezone bigint,
    person_profiles jsonb,
    person_employment_name text,
    person_employment_domain text,
    person_employment_title text,
    person_employment_role text,
    person_employment_seniority text,
    person_geolocation_country text,
    person_geolocation_region text,
    person_geolocation_city text,
    person_geolocation_coordinates_latitude double precision,
    person_geolocation_coordinates_longitude double precision,
    person_locales text[],
    company_name text,
    company_legal_name text,
    company_domain text,
    company_url text,
    company_description text,
    company_timezone bigint,
    company_phones text[],
    company_emails text[],
    company_tags text[],
    company_geolocation_country text,
    company_geolocation_region text,
    company_geolocation_city text,
    company_geolocation_coordinates_latitude double precision,
    company_geolocation_coordinates_longitude double precision,
    company_metrics_employees double precision,
    company_metrics_market_cap double precision,
    company_metrics_raised double precision,
    company_metrics_arr double precision,
    segments text[],
    notepad text,
    active_now boolean,
    active_last bigint,
    score double precision,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    search_query text
)
SERVER plain
OPTIONS (
    resource 'people_profiles'
);


--
-- Name: people_segments; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.people_segments (
    segment text NOT NULL,
    website_id text NOT NULL,
    count bigint
)
SERVER plain
OPTIONS (
    resource 'people_segments'
);


--
-- Name: visitors; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.visitors (
    session_id text NOT NULL,
    website_id text NOT NULL,
    inbox_id text,
    nickname text,
    email text,
    avatar text,
    useragent text,
    initiated boolean,
    active boolean,
    last_page_page_title text,
    last_page_page_url text,
    geolocation_country text,
    geolocation_region text,
    geolocation_city text,
    geolocation_coordinates_latitude double precision,
    geolocation_coordinates_longitude double precision,
    timezone bigint,
    capabilities text[],
    locales text[]
)
SERVER plain
OPTIONS (
    resource 'visitors'
);


--
-- Name: visitors_count; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.visitors_count (
    website_id text NOT NULL,
    count bigint,
    active bigint,
    limited boolean
)
SERVER plain
OPTIONS (
    resource 'visitors_count'
);


--
-- Name: websites; Type: FOREIGN TABLE; Schema: plain; Owner: -
--

CREATE FOREIGN TABLE plain.websites (
    website_id text NOT NULL,
    name text,
    domain text,
    logo text,
    verified boolean,
    institutional boolean,
    price double precision,
    token text,
    settings jsonb,
    plan_id text,
    plan_name text,
    plan_trialing boolean,
    difference text
)
SERVER plain
OPTIONS (
    resource 'websites'
);


--
-- Data for Name: crisp_sync_job; Type: TABLE DATA; Schema: tools; Owner: -
--

COPY tools.crisp_sync_job (job_id, source, target, resource, sync_field, dates_field, mode, watermark, watermark_at, settled, overlap, gaps, reaches_to, pass_condition, pass_reference, pass_rows, full_since, deleted, by_date, span, window_rows, pages_found, pages_missing, expected_rows, rows_per_request, daily_quota, rows_fetched, rows_inserted, rows_updated, rows_deleted, requests, stalled, last_run_id, last_success) FROM stdin;
13	crisp.conversations	copies.emptied	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:57.297911+00	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	957	954	0	0	21	f	16	2026-11-29 17:09:57.496254+00
11	crisp.conversations	copies.forgotten	conversations	\N	updated_at	incremental	\N	\N	\N	\N	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	957	954	0	0	21	f	13	2026-11-29 17:09:55.907341+00
22	crisp.conversations	copies.spans	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:10:02.254533+00	\N	00:01:00	{"(,\\"2025-04-13 01:08:44.76039+00\\"]"}	-infinity	\N	\N	372	\N	delete	t	28 days 130:36:30.519405	\N	20	21	975	49	10000	372	372	0	0	60	f	29	2026-11-29 17:10:02.535607+00
7	crisp.conversations	copies.older_begun	conversations	updated_at	updated_at	incremental	2025-10-01 00:00:00+00	\N	\N	00:01:00	{"(,\\"2025-05-13 11:13:00.669+00\\"]"}	-infinity	older	2025-10-01 00:00:00+00	192	\N	delete	f	\N	\N	\N	\N	\N	49	10000	192	191	0	0	4	f	8	2026-11-29 17:09:54.019722+00
10	crisp.conversations	copies.first_load	conversations	updated_at	updated_at	full	2026-01-12 19:28:16.84+00	2026-11-29 17:09:55.43293+00	\N	00:01:00	{"(,\\"2025-08-27 16:24:50.184+00\\"]"}	-infinity	\N	\N	192	2026-11-29 17:09:55.373464+00	delete	f	\N	\N	20	21	975	49	10000	192	191	0	0	6	f	12	2026-11-29 17:09:55.464778+00
8	crisp.conversations	copies.by_creation	conversations	created_at	updated_at	incremental	2026-01-12 19:27:47.768+00	2026-11-29 17:09:54.302328+00	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	957	954	0	0	21	f	9	2026-11-29 17:09:54.46491+00
12	crisp.conversations	copies.failed	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:56.221997+00	\N	00:01:00	{"(\\"2026-01-12 19:27:16.84+00\\",)","(,\\"2025-08-27 16:24:50.184+00\\"]"}	-infinity	\N	\N	192	\N	delete	f	\N	\N	20	21	975	49	10000	192	191	0	0	7	f	15	2026-11-29 17:09:56.274648+00
6	crisp.conversations	copies.newer_begun	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:53.768868+00	\N	00:01:00	{"(\\"2025-10-01 00:00:00+00\\",\\"2025-11-04 14:09:35.593+00\\"]"}	2025-10-01 00:00:00+00	newer	2025-10-01 00:00:00+00	96	\N	delete	f	\N	\N	\N	\N	\N	49	10000	96	95	0	0	2	f	7	2026-11-29 17:09:53.785894+00
1	crisp.conversations	copies.done	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:51.811852+00	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	957	954	0	0	21	f	1	2026-11-29 17:09:51.971638+00
3	crisp.conversations	copies.begun	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:52.562045+00	\N	00:01:00	{"(,\\"2025-07-24 15:40:09.987+00\\"]"}	-infinity	\N	\N	240	\N	delete	f	\N	\N	8	24	653	49	10000	240	239	0	0	8	f	3	2026-11-29 17:09:52.610621+00
9	crisp.conversations	copies.loaded	conversations	updated_at	updated_at	full	2026-01-12 19:28:16.84+00	2026-11-29 17:09:54.722625+00	\N	00:01:00	{"(,\\"2025-08-27 16:24:50.184+00\\"]"}	-infinity	\N	\N	192	2026-11-29 17:09:55.109987+00	delete	f	\N	\N	20	21	975	49	10000	1149	954	191	0	27	f	11	2026-11-29 17:09:55.240679+00
5	crisp.conversations	copies.newer	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:53.522534+00	\N	00:01:00	{}	2025-10-01 00:00:00+00	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	139	139	0	0	4	f	6	2026-11-29 17:09:53.528883+00
19	crisp.messages	copies.messages_small	messages	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:59.378292+00	\N	00:01:00	{"(,\\"2026-01-09 19:15:02.076+00\\"]"}	-infinity	\N	\N	8	\N	delete	f	\N	1	20	21	975	1	10000	55	19	0	0	24	f	25	2026-11-29 17:10:00.41513+00
18	crisp.messages	copies.messages	messages	updated_at	updated_at	incremental	\N	\N	\N	00:01:00	{"(,)"}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	1	10000	0	0	0	0	61	f	21	\N
14	crisp.people_profiles	copies.people	people_profiles	updated_at	created_at	incremental	2026-01-12 01:17:24.584+00	2026-11-29 17:09:57.857551+00	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	401	400	0	0	11	f	17	2026-11-29 17:09:57.908242+00
17	crisp.people_profiles	copies.people_newer	people_profiles	updated_at	created_at	incremental	2026-01-12 01:17:24.584+00	2026-11-29 17:09:58.794167+00	\N	00:01:00	{}	2025-10-01 00:00:00+00	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	110	55	0	0	8	f	20	2026-11-29 17:09:58.795753+00
15	crisp.people_profiles	copies.people_begun	people_profiles	updated_at	created_at	incremental	2026-01-12 01:17:24.584+00	2026-11-29 17:09:58.255352+00	\N	00:01:00	{"(,\\"2025-07-10 08:02:47.477+00\\"]"}	-infinity	\N	\N	96	\N	delete	f	\N	\N	\N	\N	400	49	10000	96	96	0	0	5	f	18	2026-11-29 17:09:58.272502+00
20	crisp.operators	copies.operators	operators	\N	\N	incremental	\N	\N	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	19	10000	5	5	0	0	1	f	26	2026-11-29 17:10:00.571484+00
21	crisp.campaigns	copies.campaigns	campaigns	updated_at	\N	incremental	2026-01-07 10:43:16.747+00	2026-11-29 17:10:00.855193+00	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	19	10000	60	30	0	0	64	f	27	2026-11-29 17:10:00.864207+00
4	plain.conversations	copies.begun_bigint	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:52.853916+00	\N	00:01:00	{"(,\\"2025-03-01 00:29:44.119+00\\"]"}	-infinity	\N	\N	433	\N	delete	f	\N	\N	20	21	975	49	10000	433	429	0	0	16	f	5	2026-11-29 17:09:53.267684+00
2	plain.conversations	copies.done_bigint	conversations	updated_at	updated_at	incremental	2026-01-12 19:28:16.84+00	2026-11-29 17:09:52.187845+00	\N	00:01:00	{}	-infinity	\N	\N	0	\N	delete	f	\N	\N	\N	\N	\N	49	10000	957	954	0	0	21	f	2	2026-11-29 17:09:52.322323+00
16	plain.people_profiles	copies.people_bigint	people_profiles	updated_at	created_at	incremental	2026-01-12 01:17:24.584+00	2026-11-29 17:09:58.539207+00	\N	00:01:00	{"(,\\"2025-04-22 14:58:43.284+00\\"]"}	-infinity	\N	\N	144	\N	delete	f	\N	\N	\N	\N	400	49	10000	144	144	0	0	6	f	19	2026-11-29 17:09:58.551227+00
\.


--
-- Data for Name: crisp_sync_log; Type: TABLE DATA; Schema: tools; Owner: -
--

COPY tools.crisp_sync_log (run_id, job_id, mode, started_at, ended_at, outcome, requests, windows, rows_fetched, rows_inserted, rows_updated, rows_deleted, progress_at) FROM stdin;
28	22	incremental	2026-11-29 17:10:01.089+00	2026-11-29 17:10:01.550555+00	partial	30	5	0	0	0	0	2026-11-29 17:10:01.550556+00
22	19	incremental	2026-11-29 17:09:59.294+00	2026-11-29 17:09:59.440498+00	partial	6	1	15	15	0	0	2026-11-29 17:09:59.440498+00
12	10	full	2026-11-29 17:09:55.365+00	2026-11-29 17:09:55.464944+00	partial	6	2	192	191	0	0	2026-11-29 17:09:55.464945+00
1	1	incremental	2026-11-29 17:09:51.719+00	2026-11-29 17:09:51.971795+00	finished	21	4	957	954	0	0	2026-11-29 17:09:51.971795+00
2	2	incremental	2026-11-29 17:09:52.12+00	2026-11-29 17:09:52.322483+00	finished	21	4	957	954	0	0	2026-11-29 17:09:52.322484+00
23	19	incremental	2026-11-29 17:09:59.652+00	2026-11-29 17:09:59.742259+00	partial	6	2	14	2	0	0	2026-11-29 17:09:59.742259+00
13	11	incremental	2026-11-29 17:09:55.611+00	2026-11-29 17:09:55.907507+00	finished	21	4	957	954	0	0	2026-11-29 17:09:55.907507+00
3	3	incremental	2026-11-29 17:09:52.471+00	2026-11-29 17:09:52.610809+00	partial	8	2	240	239	0	0	2026-11-29 17:09:52.610809+00
4	4	incremental	2026-11-29 17:09:52.754+00	2026-11-29 17:09:52.906273+00	partial	8	2	240	239	0	0	2026-11-29 17:09:52.906273+00
14	12	incremental	2026-11-29 17:09:56.149+00	2026-11-29 17:09:56.274832+00	partial	6	2	192	191	0	0	2026-11-29 17:09:56.274832+00
15	12	incremental	2026-11-29 17:09:56.903+00	2026-11-29 17:09:56.976161+00	failed	1	0	0	0	0	0	2026-11-29 17:09:56.976161+00
5	4	incremental	2026-11-29 17:09:53.113+00	2026-11-29 17:09:53.267841+00	partial	8	3	193	190	0	0	2026-11-29 17:09:53.267841+00
6	5	incremental	2026-11-29 17:09:53.469+00	2026-11-29 17:09:53.529057+00	finished	4	1	139	139	0	0	2026-11-29 17:09:53.529057+00
24	19	incremental	2026-11-29 17:10:00.021+00	2026-11-29 17:10:00.110542+00	partial	6	2	13	1	0	0	2026-11-29 17:10:00.110542+00
7	6	incremental	2026-11-29 17:09:53.702+00	2026-11-29 17:09:53.786064+00	partial	2	2	96	95	0	0	2026-11-29 17:09:53.786064+00
16	13	incremental	2026-11-29 17:09:57.18+00	2026-11-29 17:09:57.503186+00	finished	21	4	957	954	0	0	2026-11-29 17:09:57.503187+00
8	7	incremental	2026-11-29 17:09:53.902+00	2026-11-29 17:09:54.019888+00	partial	4	2	192	191	0	0	2026-11-29 17:09:54.019888+00
17	14	incremental	2026-11-29 17:09:57.717+00	2026-11-29 17:09:57.924929+00	finished	11	2	401	400	0	0	2026-11-29 17:09:57.92493+00
9	8	incremental	2026-11-29 17:09:54.205+00	2026-11-29 17:09:54.465107+00	finished	21	4	957	954	0	0	2026-11-29 17:09:54.465107+00
25	19	incremental	2026-11-29 17:10:00.287+00	2026-11-29 17:10:00.415299+00	partial	6	2	13	1	0	0	2026-11-29 17:10:00.415299+00
18	15	incremental	2026-11-29 17:09:58.156+00	2026-11-29 17:09:58.272692+00	partial	5	1	96	96	0	0	2026-11-29 17:09:58.272693+00
10	9	incremental	2026-11-29 17:09:54.62+00	2026-11-29 17:09:54.904104+00	finished	21	4	957	954	0	0	2026-11-29 17:09:54.904104+00
26	20	incremental	2026-11-29 17:10:00.532+00	2026-11-29 17:10:00.571658+00	finished	1	1	5	5	0	0	2026-11-29 17:10:00.571658+00
11	9	full	2026-11-29 17:09:55.097+00	2026-11-29 17:09:55.240836+00	partial	6	2	192	0	191	0	2026-11-29 17:09:55.240836+00
19	16	incremental	2026-11-29 17:09:58.432+00	2026-11-29 17:09:58.551472+00	partial	6	1	144	144	0	0	2026-11-29 17:09:58.551472+00
20	17	incremental	2026-11-29 17:09:58.693+00	2026-11-29 17:09:58.795915+00	finished	8	2	110	55	0	0	2026-11-29 17:09:58.795915+00
21	18	incremental	2026-11-29 17:09:58.976+00	2026-11-29 17:09:59.10363+00	failed	61	0	0	0	0	0	2026-11-29 17:09:59.10363+00
27	21	incremental	2026-11-29 17:10:00.759+00	2026-11-29 17:10:00.864522+00	finished	64	2	60	30	0	0	2026-11-29 17:10:00.864522+00
29	22	incremental	2026-11-29 17:10:01.72+00	2026-11-29 17:10:02.535668+00	partial	30	14	372	372	0	0	2026-11-29 17:10:02.535669+00
\.


--
-- Name: crisp_sync_job_seq; Type: SEQUENCE SET; Schema: tools; Owner: -
--

SELECT pg_catalog.setval('tools.crisp_sync_job_seq', 22, true);


--
-- Name: crisp_sync_run_seq; Type: SEQUENCE SET; Schema: tools; Owner: -
--

SELECT pg_catalog.setval('tools.crisp_sync_run_seq', 29, true);


--
-- Name: begun_bigint begun_bigint_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.begun_bigint
    ADD CONSTRAINT begun_bigint_pkey PRIMARY KEY (session_id);


--
-- Name: begun begun_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.begun
    ADD CONSTRAINT begun_pkey PRIMARY KEY (session_id);


--
-- Name: by_creation by_creation_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.by_creation
    ADD CONSTRAINT by_creation_pkey PRIMARY KEY (session_id);


--
-- Name: campaigns campaigns_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.campaigns
    ADD CONSTRAINT campaigns_pkey PRIMARY KEY (campaign_id);


--
-- Name: done_bigint done_bigint_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.done_bigint
    ADD CONSTRAINT done_bigint_pkey PRIMARY KEY (session_id);


--
-- Name: done done_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.done
    ADD CONSTRAINT done_pkey PRIMARY KEY (session_id);


--
-- Name: emptied emptied_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.emptied
    ADD CONSTRAINT emptied_pkey PRIMARY KEY (session_id);


--
-- Name: failed failed_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.failed
    ADD CONSTRAINT failed_pkey PRIMARY KEY (session_id);


--
-- Name: first_load first_load_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.first_load
    ADD CONSTRAINT first_load_pkey PRIMARY KEY (session_id);


--
-- Name: forgotten forgotten_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.forgotten
    ADD CONSTRAINT forgotten_pkey PRIMARY KEY (session_id);


--
-- Name: loaded loaded_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.loaded
    ADD CONSTRAINT loaded_pkey PRIMARY KEY (session_id);


--
-- Name: messages messages_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (session_id, fingerprint);


--
-- Name: messages_small messages_small_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.messages_small
    ADD CONSTRAINT messages_small_pkey PRIMARY KEY (session_id, fingerprint);


--
-- Name: newer_begun newer_begun_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.newer_begun
    ADD CONSTRAINT newer_begun_pkey PRIMARY KEY (session_id);


--
-- Name: newer newer_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.newer
    ADD CONSTRAINT newer_pkey PRIMARY KEY (session_id);


--
-- Name: older_begun older_begun_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.older_begun
    ADD CONSTRAINT older_begun_pkey PRIMARY KEY (session_id);


--
-- Name: operators operators_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.operators
    ADD CONSTRAINT operators_pkey PRIMARY KEY (user_id);


--
-- Name: people_begun people_begun_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.people_begun
    ADD CONSTRAINT people_begun_pkey PRIMARY KEY (people_id);


--
-- Name: people_bigint people_bigint_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.people_bigint
    ADD CONSTRAINT people_bigint_pkey PRIMARY KEY (people_id);


--
-- Name: people_newer people_newer_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.people_newer
    ADD CONSTRAINT people_newer_pkey PRIMARY KEY (people_id);


--
-- Name: people people_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (people_id);


--
-- Name: spans spans_pkey; Type: CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE ONLY copies.spans
    ADD CONSTRAINT spans_pkey PRIMARY KEY (session_id);


--
-- Name: failed too_late; Type: CHECK CONSTRAINT; Schema: copies; Owner: -
--

ALTER TABLE copies.failed
    ADD CONSTRAINT too_late CHECK (false) NOT VALID;


--
-- PostgreSQL database dump complete
--


