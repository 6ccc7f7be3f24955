// One check by name: reads {"hubspot": ..., "given": ...} from stdin, lets HubSpot's client work, prints what it saw.
import { readFileSync } from "node:fs";
import { Client } from "@hubspot/api-client";

const { hubspot, given } = JSON.parse(readFileSync(0, "utf8"));
const clientWith = (accessToken) => new Client({ accessToken, basePath: hubspot.base_url, numberOfApiCallRetries: 0 });
const { crm } = clientWith(given.token ?? hubspot.access_token);

const refusal = async (act) => {
  try {
    return { refused: false, value: await act() };
  } catch (error) {
    return { refused: true, code: error.code, body: error.body };
  }
};

const checks = {
  oneRecord: async () => {
    const created = await crm.companies.basicApi.create({ properties: { name: given.name, seats: "3" } });
    const updated = await crm.companies.basicApi.update(created.id, { properties: { seats: "4" } });
    const read = await crm.companies.basicApi.getById(created.id, ["name", "seats"]);
    await crm.companies.basicApi.archive(created.id);
    const archived = await crm.companies.basicApi.getById(created.id, ["name"], undefined, undefined, true);
    return { created, updated, read, archived, after: await refusal(() => crm.companies.basicApi.getById(created.id)) };
  },

  oneMore: async () => (await crm.companies.basicApi.create({ properties: { name: given.name } })).id,

  list: async () => (await crm.companies.getAll(2, undefined, ["name"])).map((each) => each.id),

  upsert: async () => {
    const inputs = (subject) =>
      given.keys.map((id) => ({
        idProperty: "plansync_key",
        id,
        properties: { plansync_key: id, hs_task_subject: subject, hs_timestamp: given.at },
      }));
    const tasks = crm.objects.batchApi;
    return {
      first: await tasks.upsert("tasks", { inputs: inputs("first") }),
      second: await tasks.upsert("tasks", { inputs: inputs("second") }),
    };
  },

  upsertByEmail: async () =>
    crm.contacts.batchApi.upsert({
      inputs: given.emails.map((id) => ({ idProperty: "email", id, properties: { lastname: given.name } })),
    }),

  batches: async () => {
    const { batchApi } = crm.contacts;
    const created = await batchApi.create({
      inputs: given.names.map((lastname) => ({ properties: { lastname }, associations: [] })),
    });
    const ids = created.results.map((each) => each.id);
    const updated = await batchApi.update({ inputs: ids.map((id) => ({ id, properties: { jobtitle: "CSM" } })) });
    const read = await batchApi.read({
      inputs: [...ids.map((id) => ({ id })), { id: "999999999" }],
      properties: ["lastname", "jobtitle"],
      propertiesWithHistory: ["jobtitle"],
    });
    await batchApi.archive({ inputs: ids.slice(1).map((id) => ({ id })) });
    return { ids, updated: updated.status, read };
  },

  search: async () => {
    const found = [];
    let after;
    let page;
    const totals = [];
    do {
      page = await crm.contacts.searchApi.doSearch({
        filterGroups: [{ filters: [{ propertyName: "lastname", operator: "HAS_PROPERTY" }] }],
        sorts: ["hs_object_id"],
        properties: ["lastname"],
        limit: given.limit,
        after,
      });
      totals.push(page.total);
      found.push(...page.results.map((each) => each.id));
      after = page.paging?.next?.after;
    } while (after);
    return { totals, found };
  },

  searchFiltered: async () =>
    crm.companies.searchApi.doSearch({
      filterGroups: [{ filters: [{ propertyName: "name", operator: "EQ", value: given.name }] }],
      properties: ["name"],
      limit: 10,
    }),

  associations: async () => {
    const { basicApi, batchApi } = crm.associations.v4;
    const { company, contacts } = given;
    const one = await basicApi.createDefault("companies", company, "contacts", contacts[0]);
    const labelled = await basicApi.create("companies", company, "contacts", contacts[1], [
      { associationCategory: "HUBSPOT_DEFINED", associationTypeId: 280 },
    ]);
    const batch = await batchApi.createDefault("companies", "contacts", {
      inputs: [{ _from: { id: company }, to: { id: contacts[2] } }],
    });
    const listed = await basicApi.getPage("companies", company, "contacts", undefined, 2);
    const rest = await basicApi.getPage("companies", company, "contacts", listed.paging.next.after, 2);
    const read = await batchApi.getPage("companies", "contacts", { inputs: [{ id: company }] });
    await basicApi.archive("companies", company, "contacts", contacts[0]);
    await batchApi.archive("companies", "contacts", {
      inputs: [{ _from: { id: company }, to: [{ id: contacts[1] }] }],
    });
    const after = await basicApi.getPage("companies", company, "contacts");
    const ids = (page) => page.results.map((each) => each.toObjectId);
    return {
      one,
      labelled,
      batch,
      listed: [...ids(listed), ...ids(rest)],
      types: listed.results[0].associationTypes,
      read,
      after: ids(after),
    };
  },

  labels: async () => {
    const { definitionsApi } = crm.associations.v4.schema;
    const made = await definitionsApi.create("companies", "contacts", { label: given.label, name: given.name });
    const { results } = await definitionsApi.getAll("companies", "contacts");
    return { made, results };
  },

  owners: async () => {
    const first = await crm.owners.ownersApi.getPage(undefined, undefined, 2);
    const second = await crm.owners.ownersApi.getPage(undefined, first.paging.next.after, 100);
    const one = await crm.owners.ownersApi.getById(Number(first.results[0].id));
    return { all: [...first.results, ...second.results].map((each) => each.id), one };
  },

  properties: async () => {
    const { groupsApi, coreApi } = crm.properties;
    const group = await groupsApi.create("companies", { name: given.group, label: "Judged", displayOrder: -1 });
    const made = await coreApi.create("companies", {
      name: given.name,
      label: "Judged",
      type: "enumeration",
      fieldType: "select",
      groupName: given.group,
      options: [
        { label: "Green", value: "green", displayOrder: 0, hidden: false },
        { label: "Red", value: "red", displayOrder: 1, hidden: false },
      ],
    });
    const again = await refusal(() =>
      coreApi.create("companies", {
        name: given.name,
        label: "Judged",
        type: "string",
        fieldType: "text",
        groupName: given.group,
      }),
    );
    const changed = await coreApi.update("companies", given.name, { label: "Judged anew" });
    const { results } = await coreApi.getAll("companies");
    return { group, made, again, changed, names: results.map((each) => each.name) };
  },

  pipelines: async () => {
    const { results } = await crm.pipelines.pipelinesApi.getAll("deals");
    const stages = await crm.pipelines.pipelineStagesApi.getAll("deals", results[0].id);
    return { results, stages: stages.results.map((each) => each.id) };
  },

  refusals: async () => {
    const taken = { properties: { email: given.email, lastname: "First" }, associations: [] };
    const first = await crm.contacts.basicApi.create(taken);
    return {
      first: first.id,
      missing: await refusal(() => crm.contacts.basicApi.getById("999999999")),
      missingUpdate: await refusal(() => crm.contacts.basicApi.update("999999999", { properties: { lastname: "X" } })),
      taken: await refusal(() => crm.contacts.basicApi.create(taken)),
      unknown: await refusal(() =>
        crm.contacts.basicApi.create({ properties: { shoe_size: "44" }, associations: [] }),
      ),
      noType: await refusal(() => crm.objects.basicApi.getPage("shoes")),
      noToken: await refusal(() => clientWith("nobody").crm.owners.ownersApi.getPage()),
    };
  },

  tooMany: async () => {
    const { ownersApi } = crm.owners;
    for (let at = 0; at < 20; at += 1) {
      const told = await refusal(() => ownersApi.getPage());
      if (told.refused) return { served: at, ...told };
    }
    return { served: 20, refused: false };
  },
};

const seen = await checks[process.argv[2]]();
process.stdout.write(JSON.stringify(seen));
