//! Searches: what parses, what is refused, what matches.

use crate::{context, resource};
use schema_fhir::search::{Candidate, SearchPage, parameters, searchset_bundle};
use schema_fhir::{Facts, Resource, SearchQuery, extract};
use schema_types::error_code::ErrorCode;
use schema_types::patient::{AdministrativeSex, Demographics, Identifier, PersonName, Stated};
use schema_types::time::Timestamp;
use std::cmp::Ordering;

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn parse(resource_type: &str, query: &str) -> Result<SearchQuery, schema_fhir::FhirError> {
    SearchQuery::parse(resource_type, &pairs(query))
}

fn observation(date: &str) -> Facts {
    let json = format!(
        r#"{{"resourceType":"Observation","id":"o1","status":"final",
        "category":[{{"coding":[{{"system":"c","code":"laboratory"}}]}}],
        "code":{{"coding":[{{"system":"http://loinc.org","code":"2160-0"}},{{"code":"CREA"}}]}},
        {date}"valueString":"x"}}"#
    );
    extract(&resource(&json), &context())
}

fn matches(query: &str, facts: &Facts) -> bool {
    let candidate = Candidate::of_facts(facts, Timestamp::from_unix_seconds(86_400));
    parse("Observation", query).unwrap().matches(&candidate)
}

#[test]
fn tokens_or_and() {
    let facts = observation("");
    let cases = [
        ("code=2160-0", true),
        ("code=http://loinc.org|2160-0", true),
        ("code=http://loinc.org|", true),
        ("code=|CREA", true),
        ("code=|2160-0", false),
        ("code=urn:x|2160-0", false),
        ("code=a,b,CREA", true),
        ("code=2160-0&code=CREA", true),
        ("code=2160-0&code=other", false),
        ("code=a\\,b", false),
        ("category=laboratory&status=final", true),
        ("status=preliminary", false),
        ("_id=o1", true),
        ("_id=o2,o3", false),
        ("date=2020", false),
        ("_lastUpdated=1970-01-02", true),
        ("_lastUpdated=lt1970-01-02", false),
        ("", true),
    ];
    for (query, expected) in cases {
        assert_eq!(matches(query, &facts), expected, "{query}");
    }
}

#[test]
fn dates_by_precision_and_prefix() {
    let day = observation(r#""effectiveDateTime":"2020-03-05","#);
    let second = observation(r#""effectiveDateTime":"2020-03-05T10:30:15Z","#);
    let open = observation(r#""effectivePeriod":{"start":"2020-03-05"},"#);
    let cases = [
        ("date=2020", [true, true, false]),
        ("date=2020-03", [true, true, false]),
        ("date=2020-03-05", [true, true, false]),
        ("date=eq2020-03-05T10:30Z", [false, true, false]),
        ("date=2020-03-05T10:30", [false, true, false]),
        ("date=2020-03-05T11:30:15 01:00", [false, true, false]),
        ("date=ne2020", [false, false, true]),
        ("date=gt2020-03-05", [false, false, true]),
        ("date=ge2020-03-05", [true, true, true]),
        ("date=lt2020-03-05", [false, false, false]),
        ("date=le2020-03-05", [true, true, false]),
        ("date=gt2020-03-05T10:00:00Z", [true, true, true]),
        ("date=lt2020-03-05T10:00:00Z", [true, false, true]),
        ("date=sa2020-03-04", [true, true, true]),
        ("date=sa2020-03-05T09:00:00Z", [false, true, false]),
        ("date=eb2020-03-06", [true, true, false]),
        ("date=ge2021", [false, false, true]),
        ("date=ge2020-03&date=lt2020-04", [true, true, true]),
        ("date=2019,2020", [true, true, false]),
    ];
    for (query, expected) in cases {
        let found = [&day, &second, &open].map(|facts| matches(query, facts));
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn refuses_what_it_does_not_know() {
    let cases = [
        ("Observation", "cod=x"),
        ("Observation", "family=x"),
        ("Observation", "code:text=x"),
        ("Observation", "code:not=x"),
        ("Observation", "patient.name=x"),
        ("Observation", "subject=Group/1"),
        ("Observation", "subject=urn:uuid:1"),
        ("Observation", "subject:Group=1"),
        ("Observation", "_include=Observation:subject"),
        ("Observation", "_total=none"),
        ("Observation", "_summary=true"),
        ("Observation", "_sort=code"),
        ("Observation", "_count=-1"),
        ("Observation", "_count=many"),
        ("Observation", "_offset="),
        ("Observation", "code="),
        ("Observation", "code=a,,b"),
        ("Observation", "code=|"),
        ("Observation", "code=a|b|c"),
        ("Observation", "date=ap2020"),
        ("Observation", "date=yesterday"),
        ("Observation", "date=2020-13"),
        ("Observation", "_id=a b"),
        ("Organization", "patient=1"),
        ("Organization", "date=2020"),
        ("Organization", "_sort=date"),
        ("Patient", "date=2020"),
        ("Patient", "patient=1"),
        ("Immunization", "subject=1"),
    ];
    for (resource_type, query) in cases {
        let error = parse(resource_type, query).unwrap_err();
        assert_eq!((error.code, error.http_status), (ErrorCode::FhirSearchParameter, 400));
        assert!(!error.path.is_empty(), "{query}");
    }
    assert_eq!(parse("Alien", "").unwrap_err().code, ErrorCode::FhirResourceType);
    assert_eq!(parse("Flag", "_format=xml").unwrap_err().http_status, 406);
    let many: Vec<(String, String)> =
        (0..100).map(|_| ("code".to_owned(), "x".to_owned())).collect();
    assert!(SearchQuery::parse("Flag", &many).is_err());
    let long = vec![("code".to_owned(), "x".repeat(20_000))];
    assert!(SearchQuery::parse("Flag", &long).is_err());
    let alternatives = vec![("code".to_owned(), "x,".repeat(300) + "x")];
    assert!(SearchQuery::parse("Flag", &alternatives).is_err());
}

#[test]
fn names_the_patients() {
    let cases: [(&str, Option<Vec<&str>>); 6] = [
        ("code=x", None),
        ("patient=1", Some(vec!["1"])),
        ("subject=Patient/1,Patient/2", Some(vec!["1", "2"])),
        ("patient=http://x/fhir/Patient/1", Some(vec!["1"])),
        ("patient=1,2&subject:Patient=2", Some(vec!["2"])),
        ("patient=1&patient=2", Some(vec![])),
    ];
    for (query, expected) in cases {
        let found = parse("Observation", query).unwrap().patients();
        let found = found.as_ref().map(|keys| keys.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found, expected, "{query}");
    }
}

fn person() -> Demographics {
    fn stated<T>(value: T) -> Stated<T> {
        Stated { value: Some(value), stated_at: Timestamp::from_unix_seconds(0) }
    }
    Demographics {
        identifiers: vec![Identifier {
            system: "urn:mrn".to_owned(),
            value: "123".to_owned().into(),
            type_code: "MR".to_owned(),
        }],
        name: stated(
            PersonName { family: "Müller".to_owned(), given: vec!["Anna".to_owned()] }.into(),
        ),
        birth_date: stated("1980-02".to_owned().into()),
        sex: stated(AdministrativeSex::Female),
        ..Demographics::default()
    }
}

#[test]
fn people() {
    let person = person();
    let facts = extract(&resource(r#"{"resourceType":"Patient","id":"p1"}"#), &context());
    let candidate = Candidate::of_facts(&facts, Timestamp::MIN).with_person(&person);
    let cases = [
        ("identifier=123", true),
        ("identifier=urn:mrn|123", true),
        ("identifier=urn:x|123", false),
        ("name=mÜl", true),
        ("name=ann", true),
        ("name=ller", false),
        ("name:contains=LLE", true),
        ("family=mul", false),
        ("family:exact=Müller", true),
        ("family:exact=müller", false),
        ("given=an&gender=female&birthdate=1980", true),
        ("birthdate=1980-02-01", false),
        ("birthdate=lt1981", true),
        ("gender=male,other", false),
        ("_id=p1", true),
    ];
    for (query, expected) in cases {
        assert_eq!(parse("Patient", query).unwrap().matches(&candidate), expected, "{query}");
    }
    let stranger = Candidate::of_facts(&facts, Timestamp::MIN);
    assert!(!parse("Patient", "name=a").unwrap().matches(&stranger));
}

#[test]
fn order_is_total_det_1() {
    let early = observation(r#""effectiveDateTime":"2020-03-05","#);
    let late = observation(r#""effectiveDateTime":"2021","#);
    let none = observation("");
    let at = Timestamp::from_unix_seconds(0);
    let [early, late, none] = [&early, &late, &none].map(|facts| Candidate::of_facts(facts, at));
    let up = parse("Observation", "_sort=date").unwrap();
    let down = parse("Observation", "_sort=-date,_id").unwrap();
    assert_eq!(up.compare(&early, &late), Ordering::Less);
    assert_eq!(down.compare(&early, &late), Ordering::Greater);
    assert_eq!(up.compare(&none, &late), Ordering::Greater);
    assert_eq!(down.compare(&none, &late), Ordering::Greater);
    let other = Candidate { id: "o2", ..early };
    assert_eq!(down.compare(&early, &other), Ordering::Less);
}

#[test]
fn pages_link_to_their_neighbours() {
    let query = pairs("patient=1&code=http://loinc.org|a b&_count=2&_offset=2");
    let page = SearchPage {
        base_url: "http://h/fhir",
        resource_type: "Observation",
        pairs: &query,
        total: 5,
        offset: 2,
        count: 2,
        resources: vec![
            resource(r#"{"resourceType":"Basic","id":"b","code":{"text":"x"}}"#).into_value(),
        ],
        count_only: false,
    };
    let bundle = searchset_bundle(page.clone());
    let links: Vec<&str> = bundle["link"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["url"].as_str().unwrap())
        .collect();
    let base = "http://h/fhir/Observation?patient=1&code=http://loinc.org|a%20b&_count=2";
    assert_eq!(links, [format!("{base}&_offset=2"), format!("{base}&_offset=4"), base.to_owned()]);
    assert_eq!(bundle["entry"][0]["fullUrl"], "http://h/fhir/Basic/b");
    assert_eq!(Resource::from_value(bundle).unwrap().validate(), Vec::new());
    let last = searchset_bundle(SearchPage { offset: 4, resources: Vec::new(), ..page.clone() });
    assert_eq!(last["link"].as_array().unwrap().len(), 2);
    let counted = searchset_bundle(SearchPage { count_only: true, resources: Vec::new(), ..page });
    assert_eq!(
        (counted["link"].as_array().unwrap().len(), counted["total"].as_u64()),
        (1, Some(5))
    );
    assert_eq!(Resource::from_value(counted).unwrap().validate(), Vec::new());
}

#[test]
fn declared_parameters_are_exactly_those_that_parse() {
    let all = [
        ("_id", "a"),
        ("_lastUpdated", "2020"),
        ("patient", "1"),
        ("subject", "1"),
        ("code", "a"),
        ("category", "a"),
        ("status", "a"),
        ("date", "2020"),
        ("identifier", "a"),
        ("name", "a"),
        ("family", "a"),
        ("given", "a"),
        ("birthdate", "2020"),
        ("gender", "male"),
    ];
    for name in schema_fhir::tables::resource_types() {
        let declared: Vec<&str> = parameters(name).iter().map(|known| known.name).collect();
        for (parameter, value) in all {
            let parsed = parse(name, &format!("{parameter}={value}"));
            assert_eq!(parsed.is_ok(), declared.contains(&parameter), "{name} {parameter}");
        }
    }
}
