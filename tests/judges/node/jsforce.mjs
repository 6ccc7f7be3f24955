// One check by name: reads {"salesforce": ..., "given": ...} from stdin, lets jsforce work, prints what it saw.
import { readFileSync } from "node:fs";
import jsforce from "jsforce";

const { salesforce, given } = JSON.parse(readFileSync(0, "utf8"));
const connection = new jsforce.Connection({
  instanceUrl: salesforce.base_url,
  accessToken: salesforce.access_token,
  version: "66.0",
});
connection.bulk2.pollInterval = 100;
connection.bulk2.pollTimeout = 60_000;

const refusal = async (act) => {
  try {
    return { refused: false, value: await act() };
  } catch (error) {
    return { refused: true, code: error.errorCode ?? error.name, message: error.message };
  }
};

const checks = {
  identity: async () => {
    const { user_id, organization_id, username } = await connection.identity();
    return { user_id, organization_id, username };
  },

  signIn: async () => {
    const own = new jsforce.Connection({
      instanceUrl: salesforce.base_url,
      oauth2: {
        loginUrl: salesforce.base_url,
        clientId: salesforce.consumer_key,
        clientSecret: salesforce.consumer_secret,
      },
    });
    await own.authorize({ grant_type: "client_credentials" });
    const { totalSize } = await own.query("SELECT Id FROM Account");
    await own.logout(true);
    return { totalSize, after: await refusal(() => own.query("SELECT Id FROM Account")) };
  },

  limits: async () => {
    const found = await connection.limits();
    return { daily: found.DailyApiRequests, seen: connection.limitInfo.apiUsage };
  },

  describe: async () => {
    const [whole, one] = [await connection.describeGlobal(), await connection.sobject(given.object).describe()];
    return {
      objects: Object.fromEntries(whole.sobjects.map((each) => [each.name, each.keyPrefix])),
      fields: one.fields.map((each) => each.name),
      keys: one.fields.filter((each) => each.externalId).map((each) => each.name),
      required: one.fields.filter((each) => !each.nillable && !each.defaultedOnCreate).map((each) => each.name),
    };
  },

  query: async () => {
    const { totalSize, done, records } = await connection.query(given.soql);
    return { totalSize, done, records: records.map(({ attributes, ...rest }) => ({ type: attributes.type, ...rest })) };
  },

  queryMore: async () => {
    const asked = { headers: { "Sforce-Query-Options": "batchSize=200" } };
    let page = await connection.query(given.soql, asked);
    const pages = [page.records.length];
    const ids = page.records.map((each) => each.Id);
    while (!page.done) {
      page = await connection.queryMore(page.nextRecordsUrl, asked);
      pages.push(page.records.length);
      ids.push(...page.records.map((each) => each.Id));
    }
    return { pages, totalSize: page.totalSize, ids };
  },

  autoFetch: async () => {
    const ids = [];
    const asked = { headers: { "Sforce-Query-Options": "batchSize=200" } };
    const query = connection.query(given.soql, asked).on("record", (record) => ids.push(record.Id));
    await query.run({ autoFetch: true, maxFetch: 100_000 });
    return { ids };
  },

  find: async () =>
    (await connection.sobject("Contact").find({ LastName: { $like: given.like } }, "Id, LastName").sort("LastName"))
      .map((each) => each.LastName),

  oneRecord: async () => {
    const accounts = connection.sobject("Account");
    const created = await accounts.create({ Name: given.name, Seats__c: 3 });
    const updated = await accounts.update({ Id: created.id, Seats__c: 4, Renewal_Date__c: "2027-03-01" });
    const read = await accounts.retrieve(created.id);
    return { created, updated, read };
  },

  deleteOne: async () => {
    const contacts = connection.sobject("Contact");
    const created = await contacts.create({ LastName: given.name });
    const deleted = await contacts.destroy(created.id);
    return { id: created.id, deleted, after: await refusal(() => contacts.retrieve(created.id)) };
  },

  refusals: async () => ({
    requiredField: await refusal(() => connection.sobject("Contact").create({ FirstName: "Nobody" })),
    unknownField: await refusal(() => connection.sobject("Contact").create({ LastName: "X", Shoe_Size__c: 1 })),
    missing: await refusal(() => connection.sobject("Account").retrieve("001000000000000AAA")),
    badQuery: await refusal(() => connection.query("SELECT Id, Shoe_Size__c FROM Account")),
    noObject: await refusal(() => connection.sobject("Shoe__c").describe()),
    noSession: await refusal(() =>
      new jsforce.Connection({ instanceUrl: salesforce.base_url, accessToken: "nobody" }).query("SELECT Id FROM User"),
    ),
  }),

  upsertOne: async () => {
    const tasks = connection.sobject("Task");
    const first = await tasks.upsert({ Plansync_Key__c: given.key, Subject: "first" }, "Plansync_Key__c");
    const second = await tasks.upsert({ Plansync_Key__c: given.key, Subject: "second" }, "Plansync_Key__c");
    return { first, second };
  },

  collections: async () => {
    const accounts = connection.sobject("Account");
    const created = await accounts.create(given.names.map((Name) => ({ Name })));
    const ids = created.map((each) => each.id);
    const updated = await accounts.update(ids.map((Id, at) => ({ Id, Seats__c: at })));
    const read = await accounts.retrieve(ids);
    const deleted = await accounts.destroy(ids.slice(1));
    return { created, updated, seats: read.map((each) => each.Seats__c), deleted };
  },

  collectionWithErrors: async () => ({
    some: await connection.sobject("Contact").create([{ LastName: given.name }, { FirstName: "Nobody" }]),
    none: await connection
      .sobject("Contact")
      .create([{ LastName: given.name }, { FirstName: "Nobody" }], { allOrNone: true }),
  }),

  upsertMany: async () => {
    const rows = (subject) => given.keys.map((Plansync_Key__c) => ({ Plansync_Key__c, Subject: subject }));
    const tasks = connection.sobject("Task");
    return {
      first: await tasks.upsert(rows("first"), "Plansync_Key__c", { allowRecursive: true }),
      second: await tasks.upsert(rows("second"), "Plansync_Key__c", { allowRecursive: true }),
    };
  },

  changes: async () => {
    const contacts = connection.sobject("Contact");
    return {
      updated: await contacts.updated(given.from, given.to),
      deleted: await contacts.deleted(given.from, given.to),
    };
  },

  composite: async () =>
    connection.requestPost("/composite", {
      allOrNone: true,
      compositeRequest: [
        {
          method: "POST",
          url: "/services/data/v66.0/sobjects/Account",
          referenceId: "account",
          body: { Name: given.name },
        },
        {
          method: "POST",
          url: "/services/data/v66.0/sobjects/Contact",
          referenceId: "contact",
          body: { LastName: given.name, AccountId: "@{account.id}" },
        },
      ],
    }),

  bulkQuery: async () => {
    const stream = await connection.bulk2.query(given.soql, { scanAll: given.scanAll ?? false });
    return stream.toArray();
  },

  bulkIngest: async () => {
    const { successfulResults, failedResults, unprocessedRecords } = await connection.bulk2.loadAndWaitForResults({
      object: given.object,
      operation: given.operation,
      externalIdFieldName: given.externalIdFieldName,
      input: given.rows,
    });
    return { successfulResults, failedResults, unprocessedRecords };
  },

  bulkJobInfo: async () => {
    const job = connection.bulk2.createJob({ object: "Contact", operation: "insert" });
    const opened = await job.open();
    await job.uploadData(given.rows);
    await job.close();
    await job.poll(100, 60_000);
    const done = await job.check();
    return { opened, done };
  },
};

const seen = await checks[process.argv[2]]();
process.stdout.write(JSON.stringify(seen));
