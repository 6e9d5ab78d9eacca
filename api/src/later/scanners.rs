//! Scanners, and scanning everything.

use http::Method;
use roadstead_model::Action::{Create, Delete, List, Read, Stop, Update};
use roadstead_model::Resource::{ScanAll, Scanner};

use super::shapes::ScannerRegistration;
use super::{Answer, Operation, of_project, of_system};
use crate::openapi::Description;

const NO_SCANNER: Answer = Answer::NotFound("scanner", "registration_id");
const NO_SCANNERS: Answer = Answer::NotHere("scanners cannot be registered here yet");
const NOTHING_SCANS: Answer = Answer::Lacks("there is no default scanner");

pub(super) const SCANNERS: &[Operation] = &[
    of_system(
        (&Method::GET, "/scanners"),
        ["listScanners", "List the scanners"],
        (Scanner, List),
        Answer::EmptyPage(Description::answers_list::<ScannerRegistration>),
    ),
    of_system(
        (&Method::POST, "/scanners"),
        ["createScanner", "Register a scanner"],
        (Scanner, Create),
        NO_SCANNERS,
    ),
    of_system(
        (&Method::POST, "/scanners/ping"),
        ["pingScanner", "Ask whether a scanner is there"],
        (Scanner, Read),
        NO_SCANNERS,
    ),
    of_system(
        (&Method::GET, "/scanners/{registration_id}"),
        ["getScanner", "Find a scanner"],
        (Scanner, Read),
        NO_SCANNER,
    ),
    of_system(
        (&Method::PUT, "/scanners/{registration_id}"),
        ["updateScanner", "Change a scanner"],
        (Scanner, Update),
        NO_SCANNER,
    ),
    of_system(
        (&Method::DELETE, "/scanners/{registration_id}"),
        ["deleteScanner", "Forget a scanner"],
        (Scanner, Delete),
        NO_SCANNER,
    ),
    of_system(
        (&Method::PATCH, "/scanners/{registration_id}"),
        ["setScannerAsDefault", "Scan with this one, where nothing else is said"],
        (Scanner, Update),
        NO_SCANNER,
    ),
    of_system(
        (&Method::GET, "/scanners/{registration_id}/metadata"),
        ["getScannerMetadata", "Ask what a scanner can do"],
        (Scanner, Read),
        NO_SCANNER,
    ),
];

pub(super) const SCAN_ALL: &[Operation] = &[
    of_system(
        (&Method::GET, "/scans/all/metrics"),
        ["getLatestScanAllMetrics", "Ask how far scanning everything is"],
        (ScanAll, Read),
        NOTHING_SCANS,
    ),
    of_system(
        (&Method::GET, "/scans/schedule/metrics"),
        ["getLatestScheduledScanAllMetrics", "Ask how far the scheduled scan is"],
        (ScanAll, Read),
        NOTHING_SCANS,
    ),
    of_system(
        (&Method::GET, "/system/scanAll/schedule"),
        ["getScanAllSchedule", "Find the schedule of scanning everything"],
        (ScanAll, Read),
        NOTHING_SCANS,
    ),
    of_system(
        (&Method::PUT, "/system/scanAll/schedule"),
        ["updateScanAllSchedule", "Change the schedule of scanning everything"],
        (ScanAll, Update),
        NOTHING_SCANS,
    ),
    of_system(
        (&Method::POST, "/system/scanAll/schedule"),
        ["createScanAllSchedule", "Scan everything now, or on a schedule"],
        (ScanAll, Create),
        NOTHING_SCANS,
    ),
    of_system(
        (&Method::POST, "/system/scanAll/stop"),
        ["stopScanAll", "Stop scanning everything"],
        (ScanAll, Stop),
        NOTHING_SCANS,
    ),
];

pub(super) const OF_PROJECTS: &[Operation] = &[
    of_project(
        (&Method::GET, "/projects/{project_name_or_id}/scanner"),
        ["getScannerOfProject", "Find the scanner of a project"],
        (Scanner, Read),
        Answer::NoneForPeople("scanner"),
    ),
    of_project(
        (&Method::PUT, "/projects/{project_name_or_id}/scanner"),
        ["setScannerOfProject", "Choose the scanner of a project"],
        (Scanner, Create),
        Answer::NoneForPeople("such scanner"),
    ),
    of_project(
        (&Method::GET, "/projects/{project_name_or_id}/scanner/candidates"),
        ["listScannerCandidatesOfProject", "List the scanners that a project can choose"],
        (Scanner, Create),
        Answer::EmptyPageForPeople(Description::answers_list::<ScannerRegistration>),
    ),
];
