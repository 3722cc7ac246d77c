use litmos_simulator::{Settings, Simulator, StartError};
use serde_json::json;

use crate::client::{litmos, litmos_with};

#[tokio::test]
async fn advanced_custom_fields_are_listed_for_any_user_and_set_by_name() {
    let litmos = litmos().await;
    let id = litmos.user("mira.lund").await;
    let path = format!("/users/{id}/usercustomfields");
    let unset = json!({"Cost Centre": null, "Start Date": null, "Site": null});
    assert_eq!(litmos.get(&path).await.json(), unset);
    let (object, pairs) = (
        json!({"Start Date": "01/02/2024", "Unheard Of": "x"}),
        json!([{"Cost Centre": "4711"}, {"Site": "Malmö"}]),
    );
    litmos.post(&path, pairs.clone()).await.detail(400);
    assert_eq!(litmos.post(&path, object.clone()).await.status, 200);
    litmos.running.set_mode("custom-fields", "pairs").unwrap();
    litmos.post(&path, object).await.detail(400);
    assert_eq!(litmos.post(&path, pairs.clone()).await.status, 200);
    assert_eq!(litmos.get(&path).await.json()[0], json!({"Cost Centre": "4711"}));
    litmos.post(&path, pairs).await;
    litmos.running.set_mode("custom-fields", "object").unwrap();
    let set = json!({"Cost Centre": "4711", "Start Date": "01/02/2024", "Site": "Malmö"});
    assert_eq!(litmos.get(&path).await.json(), set);
    litmos.get("/users/nobody/usercustomfields").await.detail(404);
    let state = litmos.running.state();
    assert_eq!(
        json!(state.users[1].custom_fields),
        set,
        "the unknown name left no trace"
    );
    assert_eq!(
        litmos
            .effects()
            .iter()
            .filter(|effect| effect.contains(&id))
            .collect::<Vec<_>>(),
        [
            &format!("user.created id={id}"),
            &format!("user.custom_fields_set id={id}"),
            &format!("user.custom_fields_set id={id}"),
            &format!("user.unchanged id={id}"),
        ]
    );
}

#[tokio::test]
async fn a_mandatory_custom_field_is_asked_of_every_write_and_a_refused_write_sets_nothing() {
    let settings = Settings {
        mandatory_custom_fields: vec!["Site".to_owned()],
        ..Settings::default()
    };
    let litmos = litmos_with(settings).await;
    let id = litmos.user("mira.lund").await;
    let path = format!("/users/{id}/usercustomfields");
    for body in [
        json!({"Cost Centre": "4711"}),
        json!({"Cost Centre": "4711", "Site": " "}),
        json!({"Cost Centre": "4711", "Site": null}),
    ] {
        assert_eq!(
            litmos.post(&path, body).await.detail(404),
            "Mandatory custom field Site is missing"
        );
    }
    let long = json!({"Cost Centre": "x".repeat(256), "Site": "Lyon"});
    litmos.post(&path, long).await.detail(409);
    assert!(litmos.running.state().users[1].custom_fields.is_empty());
    let whole = json!({"Cost Centre": "4711", "Site": "Lyon"});
    assert_eq!(litmos.post(&path, whole).await.status, 200);
    assert_eq!(litmos.running.state().users[1].custom_fields["Site"], "Lyon");

    let stray = Settings {
        mandatory_custom_fields: vec!["Shoe size".to_owned()],
        ..Settings::default()
    };
    assert!(matches!(
        Simulator::start(stray).await.unwrap_err(),
        StartError::MandatoryField(name) if name == "Shoe size"
    ));
}
